"""Every page, and who may open it, is in this table."""

from workflow.models import Role
from workflow.web import buyers, documents, log, login, numbers, orders, products, sellers, shipments
from workflow.web.gate import Page

ANYBODY, VIEWER, OPERATOR = None, Role.VIEWER, Role.OPERATOR

#: A shipment's address: its id.
S = "/s/{seller}/{shipment}"

PAGES: tuple[Page, ...] = (
    Page("GET", "/login", login.form, ANYBODY),
    Page("POST", "/login", login.enter, ANYBODY),
    Page("POST", "/logout", login.leave, VIEWER),
    Page("GET", "/", shipments.home, VIEWER),
    Page("GET", "/shipments", shipments.listed, VIEWER),
    Page("POST", "/shipments/retry", orders.retry_all, OPERATOR),
    Page("GET", S, shipments.story, VIEWER),
    Page("POST", f"{S}/retry", orders.retry, OPERATOR),
    Page("POST", f"{S}/refetch", orders.refetch, OPERATOR),
    Page("GET", f"{S}/reissue", orders.ask, OPERATOR),
    Page("POST", f"{S}/reissue", orders.reissue, OPERATOR),
    Page("GET", f"{S}/cancel", orders.ask, OPERATOR),
    Page("POST", f"{S}/cancel", orders.cancel, OPERATOR),
    Page("GET", f"{S}/withdraw", orders.ask, OPERATOR),
    Page("POST", f"{S}/withdraw", orders.withdraw, OPERATOR),
    Page("GET", f"{S}/buyer", buyers.shown, OPERATOR),
    Page("GET", f"{S}/note", documents.note, OPERATOR),
    Page("GET", f"{S}/danfe.pdf", documents.danfe, OPERATOR),
    Page("GET", f"{S}/label.pdf", documents.label, OPERATOR),
    Page("GET", f"{S}/file/{{kind}}", documents.file, OPERATOR),
    Page("GET", "/products", products.listed, VIEWER),
    Page("GET", "/products/{seller}", products.edit, OPERATOR),
    Page("POST", "/products/{seller}", products.save, OPERATOR),
    Page("GET", "/sellers", sellers.listed, VIEWER),
    Page("POST", "/sellers/{seller}/resume", sellers.resume, OPERATOR),
    Page("GET", "/numbers", numbers.listed, VIEWER),
    Page("GET", "/audit", log.listed, OPERATOR),
    # Whoever is not logged in does not learn which pages there are.
    Page("GET", "/{rest:path}", shipments.missing, VIEWER),
)
