"""The plain values that pass between the collector's rooms; no behaviour, no I/O.

`fleet`      who the nodes are: placement in ISP, region, access, site, role
`reports`    what came in: verified reports, rejections, arrivals
`asks`       addresses in question, and who is asked to try them
`verdicts`   what a rule said of one measurement or target
`incidents`  what the correlator said of the country, with its timeline
"""
