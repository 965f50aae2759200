"""``python -m distaff`` is ``distaff``: what ``torchrun -m distaff`` starts."""

from distaff.cli import main

if __name__ == "__main__":
    main()
