"""What the public sees: an HTTP API under /api/v1 and one live page.

The way of a request, top to bottom:

`reader`     what this room must be told, as a Protocol; the store answers it
`privacy`    what of that may be published: no group under three sites, no node, no free text
`status`     the rules that turn a view of the fleet into state words; unknown is never fine
`answers`    the public JSON values, apart from the values inside, so that either can change
`queries`    what a caller may ask, and how it is refused when it asks otherwise
`api`        the routes, and `build`, which makes the application
`events`     the live stream
`pages`      the same answers as HTML, in Kazakh, Russian and English
`serve`      the HTTP server's settings

Names of regions and networks are data (`country/*.toml`), wording is data (`text/*.toml`): no
country and no language is named in the code. Nothing here writes, judges or measures.
"""
