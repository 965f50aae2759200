"""The dashboard: a Streamlit app over a workspace's tables. It trains nothing, and writes notes and a first sample only."""
