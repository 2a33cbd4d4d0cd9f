"""SimpleReport's test results on their way to ReportStream.

``events`` is what comes in, ``rules`` what is wrong with it, ``mapping`` the CSV row it becomes.
"""
