"""Everything that is measured: data sets, metrics, tables, figures, and the bench command line."""
