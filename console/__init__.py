"""The operator's console: reads everything, and acts through the services of the apps below it alone. No money moves here."""
