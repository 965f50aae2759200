"""Models of series: the contract, measures, forecasts, anomalies, adaptation."""
