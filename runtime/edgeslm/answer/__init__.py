"""From a query's result to what a person or a program reads: the sentence, the lines that prove it, text, JSON and CSV.

Knows logs only through `LogSet`'s public names and a plan only through its fields; never sees how the SQL was written.
"""
