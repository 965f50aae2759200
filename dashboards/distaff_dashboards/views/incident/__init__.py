"""An incident: its metrics, its graph and its ranked causes."""
