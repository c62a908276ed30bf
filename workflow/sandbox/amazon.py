"""A local Amazon over plain HTTP on loopback: LWA, tokens 2021-03-01, Shipment Invoicing v0, its neighbour Delivery
Shipment Invoicing 2022-07-01, Notifications v1, vendors' invoices.

Paths, shapes, codes and rate plans are those of the official models. What the models leave open is a switch of
`AmazonSettings`.
"""

from tornado.routing import URLSpec
from tornado.web import Application

from workflow.sandbox import control
from workflow.sandbox.amazon_book import AmazonBook
from workflow.sandbox.amazon_delivery import DELIVERY, DeliveryStatus, DeliverySubmission
from workflow.sandbox.amazon_handler import CUSTOMER_INVOICES, SHIPMENTS, NoSuchPath
from workflow.sandbox.amazon_login import LwaToken, RestrictedDataToken
from workflow.sandbox.amazon_notifications import (
    NOTIFICATIONS,
    Destinations,
    OneDestination,
    OneSubscription,
    SellersSubscription,
)
from workflow.sandbox.amazon_shipments import InvoiceStatus, ShipmentDetails, SubmitInvoice
from workflow.sandbox.amazon_vendor import CustomerInvoice, CustomerInvoices


def application(book: AmazonBook) -> Application:
    """The local Amazon as a tornado application, its control API under `/_control/`."""
    about = {"book": book}
    return Application(
        [
            *control.routes(book),
            URLSpec(r"/auth/o2/token", LwaToken, about),
            URLSpec(r"/tokens/2021-03-01/restrictedDataToken", RestrictedDataToken, about),
            URLSpec(CUSTOMER_INVOICES, CustomerInvoices, about),
            URLSpec(rf"{CUSTOMER_INVOICES}/([^/]+)", CustomerInvoice, about),
            URLSpec(rf"{SHIPMENTS}/([^/]+)", ShipmentDetails, about),
            URLSpec(rf"{SHIPMENTS}/([^/]+)/invoice", SubmitInvoice, about),
            URLSpec(rf"{SHIPMENTS}/([^/]+)/invoice/status", InvoiceStatus, about),
            URLSpec(DELIVERY, DeliverySubmission, about),
            URLSpec(rf"{DELIVERY}/status", DeliveryStatus, about),
            URLSpec(rf"{NOTIFICATIONS}/destinations", Destinations, about),
            URLSpec(rf"{NOTIFICATIONS}/destinations/([^/]+)", OneDestination, about),
            URLSpec(rf"{NOTIFICATIONS}/subscriptions/([^/]+)", SellersSubscription, about),
            URLSpec(rf"{NOTIFICATIONS}/subscriptions/([^/]+)/([^/]+)", OneSubscription, about),
        ],
        default_handler_class=NoSuchPath,
        default_handler_args=about,
        log_function=lambda handler: None,
    )
