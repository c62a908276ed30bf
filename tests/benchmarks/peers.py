"""The same NF-e made by others: PyNFe, and nfelib's bindings signed by signxml; each as its careful user would.

What a careful user keeps between documents is kept: the loaded key, the compiled XSD, xsdata's metadata. Of the
Simples Nacional only (CSOSN 102, PIS and COFINS 49): what the example seller's documents hold.
"""

from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from lxml import etree
from nfelib.nfe.bindings.v4_0.leiaute_nfe_v4_00 import Tendereco, TenderEmi, Tnfe
from nfelib.nfe.bindings.v4_0.nfe_v4_00 import Nfe
from pynfe.entidades.cliente import Cliente
from pynfe.entidades.emitente import Emitente
from pynfe.entidades.fonte_dados import FonteDados
from pynfe.entidades.notafiscal import NotaFiscal
from pynfe.processamento.assinatura import AssinaturaA1
from pynfe.processamento.serializacao import SerializacaoXML
from xsdata.formats.dataclass.serializers import XmlSerializer
from xsdata.formats.dataclass.serializers.config import SerializerConfig

from workflow.nfe import schema, signature, tables, xml
from workflow.nfe.certificate import SigningKey
from workflow.nfe.invoice import Address, Invoice, Item, Payment, Totals
from workflow.nfe.template_set import FILTERS

Make = Callable[[], bytes]

_Inf = Tnfe.InfNfe
_Imposto = _Inf.Det.Imposto


def pynfe(invoice: Invoice, numbering: xml.Numbering, pfx: Path, password: str) -> tuple[str, Make]:
    """Its name, and the way from its NotaFiscal, ready as our Invoice is, to signed and valid bytes.

    It knows no CEST, no infIntermed, no IBS and CBS and no letters in a CNPJ, and it takes the accents away.
    """
    source = FonteDados([_nota_fiscal(invoice, numbering)])
    signer = AssinaturaA1(str(pfx), password)
    signer.key = load_pem_private_key(signer.key, None)
    serializer = SerializacaoXML(source, homologacao=True)

    def make() -> bytes:
        signed = signer.assinar(serializer.exportar(limpar=False))
        schema.validate(signed)
        return etree.tostring(signed, encoding="unicode").encode()

    return f"PyNFe {version('pynfe')}", make


def _nota_fiscal(invoice: Invoice, numbering: xml.Numbering) -> NotaFiscal:
    issuer, dest = invoice.issuer, invoice.dest
    note = NotaFiscal(
        emitente=Emitente(
            razao_social=issuer.name,
            nome_fantasia=issuer.trade_name,
            cnpj=issuer.cnpj,
            inscricao_estadual=issuer.ie,
            codigo_de_regime_tributario=str(issuer.crt),
            **_endereco(issuer.address),
        ),
        cliente=Cliente(
            razao_social=dest.name,
            tipo_documento="CPF",
            numero_documento=dest.cpf,
            indicador_ie=9,
            **_endereco(dest.address),
        ),
        uf=issuer.address.uf,
        natureza_operacao=issuer.natOp,
        modelo=55,
        serie=str(issuer.serie),
        numero_nf=str(numbering.nNF),
        codigo_numerico_aleatorio=numbering.cNF,
        data_emissao=numbering.dhEmi.astimezone(tables.ufs()[issuer.address.uf].zone),
        tipo_documento=1,
        municipio=issuer.address.city_code,
        tipo_impressao_danfe=1,
        forma_emissao="1",
        cliente_final=1,
        indicador_destino=invoice.idDest,
        indicador_presencial=2,
        indicador_intermediador=1,
        finalidade_emissao=1,
        transporte_modalidade_frete=issuer.modFrete,
        informacoes_complementares_interesse_contribuinte=invoice.infCpl,
    )
    for item in invoice.items:
        note.adicionar_produto_servico(**_produto(item))
    for payment in invoice.payments:
        note.adicionar_pagamento(t_pag=payment.tPag, v_pag=payment.vPag, **_cartao(payment))
    return note


def _cartao(payment: Payment) -> dict[str, str]:
    card = payment.card
    if card is None:
        return {}
    return {
        "tp_integra": card.tpIntegra,
        "cnpj": card.cnpj or "",
        "t_band": card.tBand or "",
        "c_aut": card.cAut or "",
    }


def _endereco(address: Address) -> dict[str, str | None]:
    return {
        "endereco_logradouro": address.street,
        "endereco_numero": address.number,
        "endereco_complemento": address.complement,
        "endereco_bairro": address.district,
        "endereco_municipio": address.city,
        "endereco_uf": address.uf,
        "endereco_cep": address.cep,
        "endereco_pais": "1058",
        "endereco_telefone": address.phone,
    }


def _produto(item: Item) -> dict[str, object]:
    product = item.product
    return {
        "codigo": item.sku,
        "descricao": item.title,
        "ncm": product.ncm,
        "cfop": item.cfop,
        "ean": product.gtin or "SEM GTIN",
        "ean_tributavel": product.gtin or "SEM GTIN",
        "unidade_comercial": product.unit,
        "unidade_tributavel": product.unit,
        "quantidade_comercial": item.quantity,
        "quantidade_tributavel": item.quantity,
        "valor_unitario_comercial": item.unit_price,
        "valor_unitario_tributavel": item.unit_price,
        "valor_total_bruto": item.vProd,
        "total_frete": item.vFrete,
        "desconto": item.vDesc,
        "outras_despesas_acessorias": item.vOutro,
        "ind_total": 1,
        "valor_tributos_aprox": "",
        "icms_modalidade": "102",
        "icms_csosn": "102",
        "icms_origem": product.origin,
        "pis_modalidade": "49",
        "cofins_modalidade": "49",
    }


def nfelib(invoice: Invoice, numbering: xml.Numbering, key: SigningKey) -> tuple[str, Make]:
    """Its name, and the way from our Invoice over its bindings to signed and valid bytes."""
    # Its own to_xml makes a new serializer each time, which reads the bindings' metadata anew.
    serializer = XmlSerializer(config=SerializerConfig(indent="", xml_declaration=False))
    names = {None: signature.NFE}

    def make() -> bytes:
        text = serializer.render(_binding(invoice, numbering), names)
        signed = signature._by_signxml(text.encode(), key)
        schema.validate(signed)
        return signed

    return f"nfelib {version('nfelib')} + signxml {version('signxml')}", make


def _binding(invoice: Invoice, numbering: xml.Numbering) -> Nfe:
    chNFe = xml.chNFe_of(invoice, numbering)
    intermediary = invoice.intermediary
    return Nfe(
        infNFe=_Inf(
            Id=f"NFe{chNFe}",
            versao="4.00",
            ide=_ide(invoice, numbering, chNFe),
            emit=_emit(invoice),
            dest=_Inf.Dest(
                CPF=invoice.dest.cpf,
                xNome=invoice.dest.name,
                enderDest=Tendereco(**_ender(invoice.dest.address)),
                indIEDest=invoice.dest.indIEDest,
            ),
            det=[_det(item) for item in invoice.items],
            total=_Inf.Total(ICMSTot=_icms_tot(invoice.totals)),
            transp=_Inf.Transp(modFrete=str(invoice.issuer.modFrete)),
            pag=_Inf.Pag(detPag=[_det_pag(payment) for payment in invoice.payments]),
            infIntermed=_Inf.InfIntermed(CNPJ=intermediary.cnpj, idCadIntTran=intermediary.idCadIntTran),
            infAdic=_Inf.InfAdic(infCpl=invoice.infCpl) if invoice.infCpl else None,
        )
    )


def _ide(invoice: Invoice, numbering: xml.Numbering, chNFe: str) -> _Inf.Ide:
    issuer = invoice.issuer
    return _Inf.Ide(
        cUF=chNFe[:2],
        cNF=numbering.cNF,
        natOp=issuer.natOp,
        mod="55",
        serie=str(issuer.serie),
        nNF=str(numbering.nNF),
        dhEmi=xml.local_time(numbering.dhEmi, issuer.address.uf),
        tpNF="1",
        idDest=invoice.idDest,
        cMunFG=issuer.address.city_code,
        tpImp="1",
        tpEmis="1",
        cDV=chNFe[-1],
        tpAmb=str(issuer.tpAmb),
        finNFe="1",
        indFinal="1",
        indPres="2",
        indIntermed="1",
        procEmi="0",
        verProc=xml.VER_PROC,
    )


def _emit(invoice: Invoice) -> _Inf.Emit:
    issuer = invoice.issuer
    return _Inf.Emit(
        CNPJ=issuer.cnpj,
        xNome=issuer.name,
        xFant=issuer.trade_name,
        enderEmit=TenderEmi(**_ender(issuer.address)),
        IE=issuer.ie,
        CRT=str(issuer.crt),
    )


def _ender(address: Address) -> dict[str, str | None]:
    return {
        "xLgr": address.street,
        "nro": address.number,
        "xCpl": address.complement,
        "xBairro": address.district,
        "cMun": address.city_code,
        "xMun": address.city,
        "UF": address.uf,
        "CEP": address.cep,
        "cPais": "1058",
        "xPais": "Brasil",
        "fone": address.phone,
    }


def _det(item: Item) -> _Inf.Det:
    product = item.product
    quantity, price = FILTERS["quantity"](item.quantity), FILTERS["unit_price"](item.unit_price)
    return _Inf.Det(
        nItem=str(item.nItem),
        prod=_Inf.Det.Prod(
            cProd=item.sku,
            cEAN=product.gtin or "SEM GTIN",
            xProd=item.title,
            NCM=product.ncm,
            CEST=product.cest,
            CFOP=item.cfop,
            uCom=product.unit,
            qCom=quantity,
            vUnCom=price,
            vProd=f"{item.vProd:.2f}",
            cEANTrib=product.gtin or "SEM GTIN",
            uTrib=product.unit,
            qTrib=quantity,
            vUnTrib=price,
            vFrete=f"{item.vFrete:.2f}" if item.vFrete else None,
            vDesc=f"{item.vDesc:.2f}" if item.vDesc else None,
            vOutro=f"{item.vOutro:.2f}" if item.vOutro else None,
            indTot="1",
        ),
        imposto=_Imposto(
            ICMS=_Imposto.Icms(ICMSSN102=_Imposto.Icms.Icmssn102(orig=product.origin, CSOSN="102")),
            PIS=_Imposto.Pis(PISOutr=_Imposto.Pis.Pisoutr(CST="49", vBC="0.00", pPIS="0.00", vPIS="0.00")),
            COFINS=_Imposto.Cofins(
                COFINSOutr=_Imposto.Cofins.Cofinsoutr(CST="49", vBC="0.00", pCOFINS="0.00", vCOFINS="0.00")
            ),
        ),
    )


def _icms_tot(totals: Totals) -> _Inf.Total.Icmstot:
    return _Inf.Total.Icmstot(**{name: f"{getattr(totals, name):.2f}" for name in ICMS_TOT})


#: ICMSTot of a sale without DIFAL.
ICMS_TOT = (
    "vBC", "vICMS", "vICMSDeson", "vFCP", "vBCST", "vST", "vFCPST", "vFCPSTRet", "vProd", "vFrete", "vSeg", "vDesc",
    "vII", "vIPI", "vIPIDevol", "vPIS", "vCOFINS", "vOutro", "vNF",
)  # fmt: skip


def _det_pag(payment: Payment) -> _Inf.Pag.DetPag:
    card = payment.card
    return _Inf.Pag.DetPag(
        tPag=payment.tPag,
        xPag=payment.xPag,
        vPag=f"{payment.vPag:.2f}",
        card=_Inf.Pag.DetPag.Card(tpIntegra=card.tpIntegra, CNPJ=card.cnpj, tBand=card.tBand, cAut=card.cAut)
        if card
        else None,
    )
