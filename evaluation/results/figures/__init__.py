"""The figures. matplotlib and seaborn are imported when a figure is drawn, not before."""
