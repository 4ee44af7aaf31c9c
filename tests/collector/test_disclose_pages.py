"""The pages: what they say, in which language, and that hostile text stays text."""

import gzip
import re

import httpx
import pytest

from shyraq_collector.disclose.headers import EVERYWHERE, PAGE_POLICY
from shyraq_collector.disclose.languages import LANGUAGES
from shyraq_collector.disclose.reader import View
from shyraq_collector.facts.incidents import State
from support import scenes
from support.asking import ask
from support.html import Page
from support.memory_reader import MemoryReader
from support.scenes import MINUTE, NOW, REGIONS, incident, played, renamed, scope, view

CASE = "/incidents/00c0ffee00c0ffee"
MOBILE = "mobile networks (Beeline Kazakhstan, Kcell, Tele2/Altel)"
MAX_FIRST_VIEW_BYTES = 100_000

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'><svg onload=alert(1)>",
    "</title><script>alert(1)</script>",
    "</td></table><iframe src=javascript:alert(1)>",
    '" onmouseover="alert(1)',
    "javascript:alert(1)",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "{{ 7 * 7 }}{% for x in y %}",
    "{who}{0.__class__}%s%(x)s",
    "<!--<script>",
    "]]><script>alert(1)//",
    "\u2028\u2029\u0000<b>\ufeff",
    "<style>*{background:url(//x.test)}</style>",
    "<base href=//x.test/><meta http-equiv=refresh content=0>",
)


async def page(scene: str, path: str = "/?lang=en") -> Page:
    """A scene's page, parsed."""
    response = await ask(played(scene), path)
    assert response.status_code == 200
    return Page(response.text)


@pytest.mark.parametrize(
    ("scene", "sentence"),
    [
        ("quiet", "No cuts are visible in Kazakhstan."),
        (
            "mobile_cut",
            f"Cut off now: {MOBILE}.",
        ),
        ("national_cut", "Cut off now: all of Kazakhstan, except Beeline Kazakhstan."),
        ("partly_back", "Partly back: all of Kazakhstan."),
        ("restored", "Back again: all of Kazakhstan."),
        ("impaired", "Our own view is impaired. We cannot say what is cut now."),
        ("empty", "There are no nodes yet. Nothing can be said."),
        (
            "lesser_harm",
            f"Cut off now: {MOBILE} in Atyrau Region.",
        ),
        ("few", "Too few nodes in Kazakhstan to say anything."),
        ("stale", "Our own view is impaired. We cannot say what is cut now."),
    ],
)
async def test_the_first_sentence_answers_the_question(scene: str, sentence: str) -> None:
    """Is anything cut now? One sentence, the same as the table below it."""
    found = await page(scene)
    assert f"Is anything cut now? {sentence}" in found.text


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("scene", scenes.SCENES)
async def test_every_page_is_whole_in_every_language(scene: str, language: str) -> None:
    """Well-formed, with language, title and one heading; nothing from elsewhere, nothing inline."""
    reader = played(scene)
    paths = ["/", *(f"/incidents/{each.id}" for each in reader.incidents(None, 9))]
    for path in paths:
        response = await ask(reader, f"{path}?lang={language}")
        found = Page(response.text)
        assert (response.status_code, found.errors) == (200, [])
        assert response.headers["content-language"] == language
        assert found.all("html") == [{"lang": language}]
        assert len(found.all("h1")) == len(found.all("title")) == len(found.all("main")) == 1
        addresses = [a.get("src") or a.get("href") or "" for _, a in found.tags]
        assert [a for a in addresses if a and not a.startswith(("/", "#"))] == []
        assert not any(a.startswith("//") for a in addresses)
        assert not found.all("style")
        assert [
            a for _, a in found.tags if "style" in a or any(n.startswith("on") for n in a)
        ] == []
        assert all("src" in script for script in found.all("script"))


@pytest.mark.parametrize("language", LANGUAGES)
async def test_kazakh_russian_and_english_say_the_same_in_their_words(language: str) -> None:
    """The sentence, a region and a network are named in the language of the page."""
    expected = {
        "kk": ("Қазір байланыс жоқ: бүкіл Қазақстан", "Маңғыстау облысы", "Қазақтелеком"),
        "ru": ("Сейчас нет связи: весь Казахстан", "Мангистауская область", "Казахтелеком"),
        "en": ("Cut off now: all of Kazakhstan", "Mangystau Region", "Kazakhtelecom"),
    }
    found = await page("national_cut", f"/?lang={language}")
    assert [text in found.text for text in expected[language]] == [True] * 3


async def test_the_reader_s_own_language_is_chosen_and_can_be_changed() -> None:
    """Accept-Language decides until a link is followed; caches are told."""
    response = await ask(played("quiet"), "/", accept_language="kk-KZ,ru;q=0.5")
    assert response.headers["content-language"] == "kk"
    assert "accept-language" in response.headers["vary"].lower()
    links = [a["href"] for a in Page(response.text).all("a") if "hreflang" in a]
    assert links == ["/?lang=kk", "/?lang=ru", "/?lang=en"]


async def test_times_are_local_and_utc() -> None:
    """An onset is an interval, on the country's clock and in UTC."""
    found = await page("mobile_cut")
    assert "Since 15:51–15:53 (UTC+6), 09:51–09:53 UTC." in found.text
    assert "State at 5 January 2022, 16:00 (UTC+6), 10:00 UTC" in found.text


async def test_the_table_is_a_table() -> None:
    """Caption, scopes and a head for every row; roles survive the phone's layout."""
    found = await page("quiet")
    heads = [attributes.get("scope") for attributes in found.all("th")]
    assert heads == ["col"] * 6 + ["row"] * 5
    assert len(found.all("caption")) == 1
    assert len(found.all("td")) == 5 * 5
    assert all(cell["role"] == "cell" and cell["data-label"] for cell in found.all("td"))


async def test_fixed_and_mobile_are_told_apart_where_they_differ() -> None:
    """In a mobile cut the column of all networks has two parts, in a quiet country one."""
    cut, quiet = await page("mobile_cut"), await page("quiet")
    assert sum(cell.get("class") == "parts" for cell in cut.all("td")) == 1 + len(REGIONS)
    assert not any(cell.get("class") == "parts" for cell in quiet.all("td"))


async def test_a_state_is_a_sign_and_a_word_before_it_is_a_colour() -> None:
    """Every cell bears the word in text and a sign of its own shape."""
    found = await page("lesser_harm")
    signs = {use["href"] for use in found.all("use")}
    assert {"#s-cut-off", "#s-throttled", "#s-blocked-sites", "#s-degraded"} <= signs
    symbols = {f"#{symbol['id']}" for symbol in found.all("symbol")}
    assert signs <= symbols
    for word in ("cut off", "throttled", "blocked sites", "degraded", "reachable"):
        assert word in found.text


@pytest.mark.parametrize("hostile", HOSTILE)
async def test_hostile_text_in_the_data_stays_text(hostile: str) -> None:
    """Names of networks, regions and targets cannot add a tag or an attribute to any page."""
    for path in ("/?lang=en", f"{CASE}?lang=en"):
        shapes = []
        for name in ("harmless", hostile):
            reader = played("quiet")
            reader.commit(renamed(incident("suspected", "confirmed"), name))
            shapes.append(Page((await ask(reader, path)).text).shape)
        assert shapes[0] == shapes[1]


@pytest.mark.parametrize("hostile", HOSTILE)
async def test_hostile_text_in_the_address_stays_out_of_the_page(hostile: str) -> None:
    """Path and parameters are refused in the reader's language, and never executed."""
    for path, query in (
        (f"/incidents/{hostile}", {}),
        ("/", {"lang": hostile}),
        (f"/{hostile}", {}),
    ):
        url = (
            httpx.URL("http://shyraq.test")
            .copy_with(path="/")
            .join(httpx.URL(path="/" + path.lstrip("/").replace("\u0000", ""), params=query))
        )
        response = await ask(played("quiet"), str(url), accept_language="ru")
        found = Page(response.text)
        assert response.status_code in {404, 422}
        assert found.all("script") == found.all("iframe") == found.all("base") == []
        assert not any(name.startswith("on") for _, a in found.tags for name in a)
        assert found.all("html") == [{"lang": "ru"}]


@pytest.mark.parametrize("path", ["/", CASE, "/nothing", "/static/live.js", "/?x=1"])
async def test_every_page_has_a_strict_policy(path: str) -> None:
    """Own style and script only, no frames, no forms, no base; no sniffing, no referrer."""
    response = await ask(played("mobile_cut"), path)
    assert response.headers["content-security-policy"] == PAGE_POLICY
    assert "unsafe" not in PAGE_POLICY
    assert {name: response.headers[name] for name in EVERYWHERE} == EVERYWHERE
    assert "set-cookie" not in response.headers


async def test_api_answers_can_do_nothing_in_a_browser() -> None:
    """An API answer that is opened as a page may load nothing."""
    response = await ask(played("quiet"), "/api/v1/status")
    policy = response.headers["content-security-policy"]
    assert policy == "default-src 'none'; frame-ancestors 'none'"


async def test_the_page_renews_itself_without_javascript() -> None:
    """A reader without scripts gets a refresh; the script is the only other way."""
    text = (await ask(played("quiet"), "/")).text
    noscript = re.search(r"<noscript>(.*?)</noscript>", text)
    assert noscript is not None
    assert noscript[1] == '<meta http-equiv="refresh" content="30">'


async def test_the_first_view_is_small() -> None:
    """Page, style, script and lamp for twenty regions stay under 100 kB even uncompressed parts."""
    reader = MemoryReader()
    regions = [f"KZ-{number}" for number in range(10, 30)]
    lines = {(isp, region): 3 for isp in scenes.NETWORKS for region in regions}
    silent = dict.fromkeys(lines, 3)
    groups = [
        group for group in scenes.groups(down=silent, lines=lines) if group.region not in REGIONS
    ]
    reader.commit_view(View(at=NOW, groups=tuple(groups)))
    reader.commit(incident("suspected", "confirmed"))
    total = 0
    for path in ("/?lang=kk", "/static/style.css", "/static/live.js", "/static/lamp.svg"):
        total += len(gzip.compress((await ask(reader, path)).content))
    assert total < MAX_FIRST_VIEW_BYTES / 4


async def test_assets_are_cached_for_ever_under_their_own_version_only() -> None:
    """The address that the page gives may be kept; any other must be asked again."""
    reader = played("quiet")
    (style,) = [
        a["href"] for a in Page((await ask(reader, "/")).text).all("link") if ".css" in a["href"]
    ]
    assert "immutable" in (await ask(reader, style)).headers["cache-control"]
    assert (await ask(reader, "/static/style.css")).headers["cache-control"] == "no-cache"
    assert (await ask(reader, "/static/pages.py")).status_code == 404
    assert (await ask(reader, "/static/..%2fpages.py")).status_code == 404


# -- one incident ----------------------------------------------------------------------------------


async def test_an_incident_page_tells_cuts_returns_and_timeline() -> None:
    """Two stretches, six sentences, each dated twice, and what is known."""
    found = await page("restored", f"{CASE}?lang=en")
    assert "Cuts and returns" in found.text
    assert "Part of it is back: all of Kazakhstan. Silent: 24 of 48" in found.text
    assert found.text.count("Happened ") == found.text.count("published ") - 1 == 6
    assert "Grade of evidence A: at least three places" in found.text
    assert "secret-node" not in found.text


async def test_a_cut_does_not_end_because_we_blink() -> None:
    """While our view is impaired the page still tells which cut was going on when we lost it."""
    reader = MemoryReader()
    reader.commit_view(view(hold="hold"))
    reader.commit(incident("suspected", "confirmed"))
    text = Page((await ask(reader, "/?lang=en")).text).text
    assert "We cannot say what is cut now." in text
    assert "Last known: Cut off now: all of Kazakhstan." in text


async def test_a_cut_of_all_mobile_networks_is_not_called_a_cut_of_the_country() -> None:
    """A national scope limited to one kind of access says so in the first sentence."""
    reader = played("quiet")
    where = scope("nation", isps=scenes.MOBILE, access=("mobile",))
    reader.commit(incident("suspected", "confirmed", where=where, lines=36, down=36))
    text = Page((await ask(reader, "/?lang=en")).text).text
    assert "Cut off now: mobile networks in all of Kazakhstan." in text


async def test_our_own_fault_is_shown_plainly_as_such() -> None:
    """No network and no region is blamed for what was ours."""
    found = await page("impaired", f"{CASE}?lang=en")
    assert "Our own fault, not an outage" in found.text
    assert "Networks" not in found.text.split("What is known")[1].split("Timeline")[0]


async def test_a_withheld_place_is_said_to_be_withheld() -> None:
    """Two silent homes: the page names the network and says why it names no place."""
    reader = MemoryReader()
    reader.commit_view(view())
    where = scope("cell", isps=("kcell",), regions=("KZ-23",))
    reader.commit(incident("suspected", where=where, lines=2, down=2, sites=2))
    front = Page((await ask(reader, "/?lang=en")).text).text
    case = Page((await ask(reader, f"{CASE}?lang=en")).text).text
    assert "Kcell, in part of the country (too few nodes to say where)" in front
    assert "Kcell, in part of the country (too few nodes to say where)" in case
    assert "withheld: too few to say" in case
    assert "Atyrau" not in case


async def test_a_withdrawn_suspicion_claims_no_return() -> None:
    """A dismissed suspicion has neither a confirmation nor a return, and is not on the front."""
    reader = played("quiet")
    reader.commit(incident("suspected", "dismissed"))
    text = Page((await ask(reader, f"{CASE}?lang=en")).text).text
    assert "The suspicion was withdrawn." in text
    assert "not yet" not in text
    assert CASE not in (await ask(reader, "/")).text


async def test_an_interrupted_observation_claims_no_return() -> None:
    """Closed because our memory was lost: what became of it is not known, and the page says so."""
    reader = played("quiet")
    states: tuple[State, State] = ("confirmed", "restored")
    for number, state in enumerate(states):
        name = str(number) * 16
        reader.commit(incident("suspected", state, "closed", id_=name))
        text = Page((await ask(reader, f"/incidents/{name}?lang=en")).text).text
        assert "Our observation was interrupted here" in text
        assert "Closed after a day" not in text
        assert ("not known" in text.split("What is known")[1].split("Grade")[0]) == (number == 0)
    front = Page((await ask(reader, "/?lang=en")).text).text
    assert "not known" in front.split("Incidents")[1]


async def test_a_closing_after_a_day_is_no_interruption() -> None:
    """The ordinary end of an incident."""
    reader = played("quiet")
    day_s = 86_400.0
    reader.commit(
        incident(
            "suspected", "confirmed", "restored", "closed", step_s=day_s, began=NOW - 5 * day_s
        )
    )
    text = Page((await ask(reader, f"{CASE}?lang=en")).text).text
    assert "Closed after a day without a new cut." in text
    assert "interrupted" not in text


async def test_a_missing_incident_is_told_to_people() -> None:
    """A page of its own, with a way back, in the language asked for."""
    response = await ask(played("quiet"), "/incidents/ffffffffffffffff?lang=kk")
    found = Page(response.text)
    assert response.status_code == 404
    assert "Мұндай бет жоқ" in found.text
    assert {"href": "/?lang=kk"} in found.all("a")


async def test_another_country_is_shown_when_asked_for() -> None:
    """Two countries in one view: each has its page, the other is a link; a third is none."""
    reader = MemoryReader()
    groups = (*scenes.groups(), *scenes.groups(country="XX"))
    reader.commit_view(View(at=NOW, groups=groups))
    assert "No cuts are visible in Kazakhstan." in Page((await ask(reader, "/?lang=en")).text).text
    other = Page((await ask(reader, "/?lang=en&country=XX")).text)
    assert "/?country=KZ&lang=en" in [a.get("href") for a in other.all("a")]
    assert "/?lang=ru&country=XX" in [a.get("href") for a in other.all("a")]
    assert (await ask(reader, "/?country=ZZ")).status_code == 404


async def test_a_yesterday_s_time_bears_its_day() -> None:
    """Times of another day are given with the day."""
    found = await page("national_cut")
    assert "4 January, 14:59–15:01 4 January, 08:59–09:01 UTC" in found.text
    assert NOW - 1500 * MINUTE < NOW


# -- colours ---------------------------------------------------------------------------------------


def palette(css: str) -> list[dict[str, str]]:
    """The colours by name, of the light theme and of the dark one."""
    blocks = re.findall(r":root \{(.*?)\}", css, re.DOTALL)[:2]
    return [dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", block)) for block in blocks]


def luminance(colour: str) -> float:
    """Relative luminance, WCAG 2.2."""
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Contrast ratio, WCAG 2.2."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


async def test_text_has_the_contrast_that_wcag_aa_asks_for() -> None:
    """Every text colour on every ground it stands on, light and dark: 4.5 to 1 at least."""
    themes = palette((await ask(played("quiet"), "/static/style.css")).text)
    assert len(themes) == 2
    for theme in themes:
        grounds = [theme["paper"], theme["sheet"]]
        washes = {name: theme[f"{name}-wash"] for name in theme if f"{name}-wash" in theme}
        pairs = [(theme[name], ground) for name in ("ink", "soft", "link") for ground in grounds]
        pairs += [(theme["good"], ground) for ground in grounds]
        for name, wash in washes.items():
            pairs += [(theme[name], ground) for ground in (wash, *grounds)]
            pairs += [(theme["ink"], wash), (theme["soft"], wash)]
        weak = [(text, ground) for text, ground in pairs if contrast(text, ground) < 4.5]
        assert weak == []
