"""The rate plan of the local Amazon, with the clock in the test's hand."""

from workflow.sandbox.amazon_book import AmazonBook, AmazonSettings, authorised_key


class Clock:
    """Unix time that a test moves."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def permits(book: AmazonBook, times: int, *, client: str = "app", seller: str = "seller") -> int:
    """How many of so many requests are allowed."""
    settings = book.settings
    return sum(
        book.permit(client, seller, "getInvoiceStatus", rate=settings.rate, burst=settings.burst) for _ in range(times)
    )


def test_an_empty_bucket_fills_at_its_rate_and_never_above_its_burst() -> None:
    clock = Clock()
    book = AmazonBook(AmazonSettings(rate=2, burst=5), clock=clock)
    assert permits(book, 9) == 5
    clock.now += 1
    assert permits(book, 9) == 2
    clock.now += 3600
    assert permits(book, 9) == 5
    assert book.dump()["throttled"] == {"getInvoiceStatus": 15}


def test_every_application_and_seller_has_a_bucket_of_its_own() -> None:
    book = AmazonBook(AmazonSettings(burst=3), clock=Clock())
    assert permits(book, 5) == 3
    assert permits(book, 5, seller="another") == 3
    assert permits(book, 5, client="another") == 3


def test_an_nfe_without_its_protocol_is_not_authorised() -> None:
    for xml in (b"", b"<nfeProc/>", b'<NFe xmlns="http://www.portalfiscal.inf.br/nfe"/>'):
        assert authorised_key(xml)[1] is not None
