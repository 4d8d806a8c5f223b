"""Edits many photographs on many cores and machines with Ray Data, for ``reage batch`` (extra ``scale``).

`sources` makes a table of what is to be done, `worker` does it, one photograph after another as `reage.batch` does,
`results` keeps what became of each, and `archive` runs it all.
"""
