"""The cells of a list's rows; `{% load lists %}`."""

from django import template
from django.template.base import Node, NodeList, Parser, Token
from django.template.context import Context
from django.utils.html import format_html
from django.utils.safestring import SafeString

from riskadmin.web.lists.spec import Table

register = template.Library()


@register.tag
def cell(parser: Parser, token: Token) -> "CellNode":
    """Show what is inside as a cell of the column with this name; nothing if the column isn't shown.

    `{% cell "name" %}…{% endcell %}`, within a row of `table`. A name that the list doesn't have is a KeyError.
    """
    _, name = token.split_contents()
    nodes = parser.parse(("endcell",))
    parser.delete_first_token()
    return CellNode(name.strip("\"'"), nodes)


class CellNode(Node):
    """One cell."""

    def __init__(self, name: str, nodelist: NodeList) -> None:
        """Keep the column's name, and what the cell contains."""
        self.name, self.nodelist = name, nodelist

    def render(self, context: Context) -> SafeString:
        """Render the cell."""
        table: Table[object] = context["table"]
        column = table.spec.by_name[self.name]
        if self.name not in table.shown:
            return SafeString()
        return format_html("{}{}</td>", column.opening_tag, self.nodelist.render(context))
