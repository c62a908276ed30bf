import pytest

from workflow.errors import Invalid
from workflow.nfe import free_text

NAMES = dict.fromkeys(free_text.NAMES, "<x>")


def test_the_text_is_plain_and_not_escaped() -> None:
    assert free_text.written("{{ AmazonOrderId }} & co", NAMES) == "<x> & co"


@pytest.mark.parametrize(
    "source",
    [
        "{{ BuyerName }}",
        "{{ AmazonOrderId.__class__.__mro__ }}",
        "{{ ''.__class__ }}",
        "{% for",
        "{{ 1 / 0 }}",
        "{{ range(999999999) | list }}",
    ],
)
def test_an_unknown_name_a_way_out_of_the_sandbox_and_a_mistake_are_refused(source: str) -> None:
    with pytest.raises(Invalid) as refused:
        free_text.written(source, NAMES)
    assert refused.value.code == "bad-infCpl"
