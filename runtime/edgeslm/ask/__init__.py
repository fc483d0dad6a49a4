"""From a question in plain words to one SQL query over the view `logs`, made of what the log and the question hold."""
