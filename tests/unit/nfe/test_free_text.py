import pytest

from workflow.errors import Invalid
from workflow.nfe import free_text

NAMES = dict.fromkeys(free_text.NAMES, "<x>")


def test_the_text_is_plain_and_not_escaped() -> None:
    assert free_text.written("{{ AmazonOrderId }} & co", NAMES) == "<x> & co"


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{% if vTotTrib %}Tributos R$ {{ vTotTrib }}{% else %}-{% endif %}", "Tributos R$ <x>"),
        ("{{ AmazonOrderId | upper | trim }} {{ 'a' ~ WarehouseId }}", "<X> a<x>"),
        ("{{ remittances if remittances != '' and not vTotTrib == '0' else 'sem' }}", "<x>"),
        ("{{ vTotTrib | default('0,00', true) }} {{ 1e999999 }}", "<x> inf"),
        ("7*7 é {7*7} e $7", "7*7 é {7*7} e $7"),
    ],
)
def test_names_texts_if_and_a_few_filters_may_be_used(source: str, text: str) -> None:
    assert free_text.written(source, NAMES) == text


@pytest.mark.parametrize(
    "source",
    [
        "{{ BuyerName }}",
        "{{ AmazonOrderId.__class__.__mro__ }}",
        "{{ ''.__class__ }}",
        "{% for",
        "{{ 1 / 0 }}",
        "{{ range(999999999) | list }}",
        # Nothing loops, calls, or grows; no value is reached into.
        "{% for one in range(99999) %}{% for two in range(99999) %}x{% endfor %}{% endfor %}",
        "{% macro again() %}{{ again() }}{% endmacro %}{{ again() }}",
        "{% set x = 'y' %}{{ x }}",
        "{% include 'nfe.xml.j2' %}",
        "{{ 'x' * 10 ** 10 }}",
        "{{ '%999999999d' % 1 }}",
        "{{ AmazonOrderId.upper }}",
        "{{ AmazonOrderId['__class__'] }}",
        "{{ AmazonOrderId | attr('__class__') }}",
        "{{ AmazonOrderId | center(999999999) }}",
        "{{ AmazonOrderId | replace('x', 'xxxxxxxxxx') }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ lipsum() }}",
        "{{ self }}",
        "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
        "{{ " + "1" * 5000 + " }}",
    ],
)
def test_an_unknown_name_a_way_out_of_the_sandbox_and_a_mistake_are_refused(source: str) -> None:
    with pytest.raises(Invalid) as refused:
        free_text.written(source, NAMES)
    assert refused.value.code == "bad-infCpl"
