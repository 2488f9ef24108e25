"""Images by address: what is fetched, and what the server must never connect to."""

from collections.abc import Iterator

import pytest

from portal.fetch import Fetcher, NotFetched, TooLarge
from portal.outbound import is_public
from tests.portal.web import PUBLIC, Web, local_web

IMAGE = b"the bytes of an image"
HERE = "http://example.test/photo.jpg"


@pytest.fixture
def web() -> Iterator[Web]:
    with local_web() as served:
        served.page("/photo.jpg", IMAGE)
        yield served


@pytest.fixture
def fetcher(web: Web) -> Fetcher:
    return Fetcher((80, 443), max_bytes=1000, seconds=5, network=web.network)


def test_an_image_is_fetched_with_the_name_at_the_end_of_its_address(fetcher: Fetcher, web: Web) -> None:
    fetched = fetcher.fetch(" http://example.test/photo.jpg?size=large#top ")
    assert (fetched.data, fetched.name) == (IMAGE, "photo.jpg")
    assert fetched.url == "http://example.test/photo.jpg?size=large"
    assert web.opened == [f"{PUBLIC}:80"]
    assert web.requests[0][1]["Host"] == "example.test"


def test_redirects_are_followed(fetcher: Fetcher, web: Web) -> None:
    web.names["cdn.test"] = [["2606:4700::1"]]
    web.redirect("/short", "//cdn.test/photo.jpg")
    assert fetcher.fetch("http://example.test/short").url == "http://cdn.test/photo.jpg"
    assert web.opened == [f"{PUBLIC}:80", "2606:4700::1:80"]


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "198.18.0.1",
        "192.0.2.1",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "2001:0:1::1",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "fec0::1",
        "ff02::1",
        "2001:db8::1",
    ],
)
def test_no_connection_goes_to_an_address_that_is_not_public(
    fetcher: Fetcher, web: Web, address: str
) -> None:
    assert not is_public(address)
    web.names["inside.test"] = [[address]]
    # Each name's addresses are checked all: one public address among them does not help.
    web.names["both.test"] = [[PUBLIC, address]]
    web.redirect("/inside", "http://inside.test/photo.jpg")
    for url in ("http://inside.test/photo.jpg", "http://both.test/photo.jpg", "http://example.test/inside"):
        with pytest.raises(NotFetched, match="not a public address"):
            fetcher.fetch(url)
    assert web.opened == [f"{PUBLIC}:80"]


@pytest.mark.parametrize("address", ["8.8.8.8", PUBLIC, "2606:4700::1111", "2a00:1450:4001:80b::200e"])
def test_hosts_of_the_internet_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://0177.0.0.1/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://localhost/",
        "http://127.0.0.1./",
    ],
)
def test_no_way_to_write_loopback_gets_through(fetcher: Fetcher, web: Web, url: str) -> None:
    with pytest.raises(NotFetched):
        fetcher.fetch(url)
    assert web.opened == []


def test_a_name_that_changes_its_address_gains_nothing(fetcher: Fetcher, web: Web) -> None:
    web.names["rebind.test"] = [[PUBLIC], ["127.0.0.1"]]
    assert fetcher.fetch("http://rebind.test/photo.jpg").data == IMAGE
    assert web.opened == [f"{PUBLIC}:80"]
    with pytest.raises(NotFetched, match="not a public address"):
        fetcher.fetch("http://rebind.test/photo.jpg")
    assert web.opened == [f"{PUBLIC}:80"]


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("ftp://example.test/photo.jpg", "must start with http"),
        ("file:///etc/passwd", "must start with http"),
        ("gopher://example.test/", "must start with http"),
        ("/photo.jpg", "must start with http"),
        ("photo", "must start with http"),
        ("http://", "must start with http"),
        ("http://user:password@example.test/photo.jpg", "a user name or a password"),
        ("http://example.test:22/photo.jpg", "Port 22 is not allowed"),
        ("http://example.test:8081/models", "Port 8081 is not allowed"),
        ("http://example.test:port/", "not an address"),
        ("http://unknown.invalid/photo.jpg", "cannot be reached"),
        ("http://example.test/" + "x" * 2000, "longer than"),
    ],
)
def test_an_address_that_is_not_allowed_is_refused(
    fetcher: Fetcher, web: Web, url: str, message: str
) -> None:
    with pytest.raises(NotFetched, match=message):
        fetcher.fetch(url)
    assert web.opened == []


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "http://example.test:22/", "http://user:password@example.test/photo.jpg"]
)
def test_a_redirect_is_held_to_the_same_rules(fetcher: Fetcher, web: Web, target: str) -> None:
    web.redirect("/away", target)
    with pytest.raises(NotFetched):
        fetcher.fetch("http://example.test/away")
    assert [path for path, *_ in web.requests] == ["/away"]


def test_endless_redirects_end(fetcher: Fetcher, web: Web) -> None:
    web.redirect("/round", "/round")
    with pytest.raises(NotFetched, match="redirects more than 5 times"):
        fetcher.fetch("http://example.test/round")


def test_a_file_beyond_the_limit_is_not_read_to_its_end(fetcher: Fetcher, web: Web) -> None:
    web.page("/exact.jpg", b"x" * 1000)
    assert len(fetcher.fetch("http://example.test/exact.jpg").data) == 1000
    web.drip("/endless.jpg", 60)
    with pytest.raises(NotFetched, match=r"within 0\.3 seconds"):
        Fetcher((80,), 10**9, 0.3, web.network).fetch("http://example.test/endless.jpg")
    with pytest.raises(TooLarge, match="The limit is 3 bytes"):
        Fetcher((80,), 3, 30, web.network).fetch("http://example.test/endless.jpg")


@pytest.mark.parametrize("status", [204, 401, 404, 500])
def test_an_answer_that_is_no_image_is_said_so(fetcher: Fetcher, web: Web, status: int) -> None:
    web.page("/gone.jpg", status=status)
    with pytest.raises(NotFetched, match=f"answered {status}"):
        fetcher.fetch("http://example.test/gone.jpg")


def test_a_web_page_is_said_to_be_one(fetcher: Fetcher, web: Web) -> None:
    web.page("/article", b"<html>", Content_Type="text/html; charset=utf-8")
    with pytest.raises(NotFetched, match="There is a web page at this address"):
        fetcher.fetch("http://example.test/article")


def test_what_is_compressed_is_not_expanded(fetcher: Fetcher, web: Web) -> None:
    bomb = b"\x1f\x8b\x08 not expanded"
    web.page("/bomb.jpg", bomb, Content_Encoding="gzip")
    assert fetcher.fetch("http://example.test/bomb.jpg").data == bomb


def test_nothing_about_the_user_is_sent(fetcher: Fetcher, web: Web) -> None:
    web.page("/cookie", status=302, Location="/photo.jpg", Set_Cookie="id=1")
    fetcher.fetch("http://example.test/cookie")
    fetcher.fetch(HERE)
    assert set(web.requests[-1][1]) == {"Host", "User-Agent", "Accept", "Accept-Encoding", "Connection"}
