"""Who may see the dashboard: login, and the gate before every page."""
