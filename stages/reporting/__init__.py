"""Tables, figures and the report's template."""
