"""From tidy rows to tables, figures and pages."""
