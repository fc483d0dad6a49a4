"""The report: a result file of the suite as a page, as Markdown, as pictures, and in the terminal. Measures nothing."""
