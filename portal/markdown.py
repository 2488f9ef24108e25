"""Markdown that administrators write, as HTML that is safe to show to everybody."""

import nh3
from markdown_it import MarkdownIt
from markupsafe import Markup

_parser = MarkdownIt("commonmark", {"html": False}).enable("table")
# No images: a page makes no request to the outside. The page itself uses the first two levels of headings.
_TAGS = {
    *("p", "br", "hr", "h3", "h4", "h5", "h6", "strong", "em", "blockquote", "code", "pre", "a"),
    *("ul", "ol", "li", "table", "thead", "tbody", "tr", "th", "td"),
}


def markdown(text: str) -> Markup:
    """Render CommonMark with tables; what is not allowed loses its tags and keeps its text."""
    html = nh3.clean(
        _parser.render(text),
        tags=_TAGS,
        attributes={"a": {"href", "title"}, "ol": {"start"}},
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer",
    )
    return Markup(html)  # noqa: S704  # cleaned just now
