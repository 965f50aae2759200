"""The dashboard: a Streamlit app over a workspace's tables. It reads; it never trains and never writes."""
