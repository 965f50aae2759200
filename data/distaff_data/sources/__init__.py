"""Sources that are no files of this machine: databases, the web, object stores, Delta and Iceberg tables, frames.

What is read is copied to a folder of the workspace first, in bounded memory, and ingested from there like any file: every
check of a file holds for it, and nothing is published unless all of it was read. Credentials come from the environment
alone; they are refused in addresses, and no message, record or report holds one.
"""

from distaff_data.sources.gather import Gathered, Inputs, gathered, telling
from distaff_data.sources.spool import Spool
from distaff_data.sources.watermark import Mark, Since

__all__ = ["Gathered", "Inputs", "Mark", "Since", "Spool", "gathered", "telling"]
