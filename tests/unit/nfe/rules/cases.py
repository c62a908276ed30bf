"""For every rule a good document and the change that breaks it."""

from types import MappingProxyType
from typing import NamedTuple

from tests.unit.nfe.rules.documents import Changes


class Case(NamedTuple):
    """The good document's name in `documents`, what leads up to the rule, and what breaks it; `now` is an ISO moment."""

    document: str
    breaking: Changes
    leading: Changes = MappingProxyType({})
    now: str | None = None


_IPI = "<cEnq>999</cEnq><IPITrib><CST>50</CST><vBC>100.00</vBC><pIPI>5.00</pIPI><vIPI>5.00</vIPI></IPITrib>"
_PLACE = "<CNPJ>99999999000191</CNPJ><xLgr>Rua A</xLgr><nro>1</nro><xBairro>B</xBairro><cMun>3550308</cMun><xMun>SP</xMun><UF>SP</UF>"
_DEFERRED = "<pDif>50.0000</pDif><vDif>{}</vDif>"
_UNITED = "det/imposto/IBSCBS/gIBSCBS"
_REGULAR = (
    "<CSTReg>000</CSTReg><cClassTribReg>000001</cClassTribReg>"
    "<pAliqEfetRegIBSUF>0.1000</pAliqEfetRegIBSUF><vTribRegIBSUF>0.07</vTribRegIBSUF>"
    "<pAliqEfetRegIBSMun>0.0000</pAliqEfetRegIBSMun><vTribRegIBSMun>0.00</vTribRegIBSMun>"
    "<pAliqEfetRegCBS>0.9000</pAliqEfetRegCBS><vTribRegCBS>0.65</vTribRegCBS>"
)
_TECHNICIAN = "<CNPJ>15436940000103</CNPJ><xContato>A</xContato><email>a@b.com.br</email><fone>1133334444</fone>"
_MEI = {"emit/CRT": "4", "det/prod/CFOP": "6102"}

IDENTIFICATION = {
    "the_Id_is_made_of_the_fields": Case("simples", {"ide/nNF": "2"}),
    "the_check_digit_is_right": Case("simples", {"@Id": "NFe35261199999999000191550010000000011482109374"}),
    "cNF_cannot_be_guessed": Case("simples", {"ide/cNF": "00000001"}),
    "it_is_not_issued_in_the_future": Case("simples", {"ide/dhEmi": "2026-11-22T10:06:00-03:00"}, now="2026-11-22T13:00:00+00:00"),
    "it_is_in_time": Case("simples", {"ide/dhEmi": "2026-11-10T10:00:00-03:00"}, now="2026-11-22T13:00:00+00:00"),
    "it_is_not_much_too_late": Case("simples", {"ide/dhEmi": "2026-10-10T10:00:00-03:00"}, now="2026-11-22T13:00:00+00:00"),
    "the_danfe_is_of_an_nfe": Case("simples", {"ide/tpImp": "4"}),
    "a_sale_at_a_distance_names_its_way": Case("simples", {"ide/indIntermed": None}),
    "no_intermediary_without_a_sale_at_a_distance": Case("simples", {"ide/indPres": "0"}),
    "the_series_is_a_taxpayers_own": Case("simples", {"ide/serie": "890"}),
    "the_series_is_a_companys": Case("simples", {"ide/serie": "920"}),
    "no_contingency_in_a_normal_emission": Case("simples", {"ide/xJust": "SEFAZ fora do ar"}),
    "a_contingency_says_why": Case("simples", {"ide/tpEmis": "6"}),
    "an_intermediary_is_named": Case("simples", {"infIntermed": None}),
    "no_intermediary_is_named_for_nothing": Case("simples", {"ide/indIntermed": "0"}),
    "the_intermediarys_cnpj_is_one": Case("simples", {"infIntermed/CNPJ": "15436940000104"}),
    "the_software_has_a_name_where_the_uf_asks": Case("simples", {"emit/enderEmit/UF": "SC"}),
    "the_softwares_cnpj_is_one": Case("simples", {"infRespTec/CNPJ": "15436940000104"}, {"infRespTec": _TECHNICIAN}),
    "the_software_proves_itself_in_parana": Case("simples", {"emit/enderEmit/UF": "PR"}, {"infRespTec": _TECHNICIAN}),
}  # fmt: skip

PLACES = {
    "ide_cMunFG_exists": Case("simples", {"ide/cMunFG": "3599999"}),
    "ide_cMunFG_lies_in_its_uf": Case("simples", {"ide/cMunFG": "3106200"}),
    "emit_enderEmit_cMun_exists": Case("simples", {"emit/enderEmit/cMun": "3599999"}),
    "emit_enderEmit_cMun_lies_in_its_uf": Case("simples", {"emit/enderEmit/cMun": "3106200"}),
    "dest_enderDest_cMun_exists": Case("simples", {"dest/enderDest/cMun": "3199999"}),
    "dest_enderDest_cMun_lies_in_its_uf": Case("simples", {"dest/enderDest/cMun": "3550308"}),
    "retirada_cMun_exists": Case("simples", {"retirada/cMun": "3599999"}, {"retirada": _PLACE}),
    "retirada_cMun_lies_in_its_uf": Case("simples", {"retirada/cMun": "3106200"}, {"retirada": _PLACE}),
    "entrega_cMun_exists": Case("simples", {"entrega/cMun": "3599999"}, {"entrega": _PLACE}),
    "entrega_cMun_lies_in_its_uf": Case("simples", {"entrega/cMun": "3106200"}, {"entrega": _PLACE}),
    "an_interstate_operation_leaves_the_uf": Case("simples", {"dest/enderDest/UF": "SP"}),
    "an_internal_operation_stays_in_the_uf": Case("simples", {"ide/idDest": "1"}),
    "a_vehicle_is_named_only_inside_the_uf": Case("simples", {"transp/veicTransp/placa": "ABC1D23"}),
}

PARTIES = {
    "the_issuers_ie_is_one": Case("simples", {"emit/IE": "110042490115"}),
    "the_buyers_ie_is_one": Case("simples", {"dest/IE": "0623079040082"}, {"dest/IE": "0623079040081"}),
    "the_buyers_cnpj_is_one": Case("simples", {"dest/CNPJ": "15436940000104"}, {"dest/CNPJ": "15436940000103"}),
    "the_buyers_cpf_is_one": Case("simples", {"dest/CPF": "11111111111"}),
    "the_buyer_has_a_name": Case("simples", {"dest/xNome": None}),
    "a_test_says_that_it_is_one": Case("simples", {"ide/tpAmb": "2"}),
    "the_buyer_has_an_address": Case("simples", {"dest/enderDest": None}),
    "who_pays_no_icms_consumes": Case("simples", {"ide/indFinal": "0"}),
    "a_contributor_has_an_ie": Case("simples", {"dest/indIEDest": "1"}),
    "the_exempt_has_no_ie": Case("simples", {"dest/indIEDest": "2"}, {"dest/IE": "123"}),
    "the_place_of_withdrawals_cnpj_is_one": Case("simples", {"retirada/CNPJ": "15436940000104"}, {"retirada": _PLACE}),
    "the_place_of_withdrawals_cpf_is_one": Case("simples", {"retirada/CPF": "11111111111"}, {"retirada": _PLACE}),
    "the_place_of_deliverys_cnpj_is_one": Case("simples", {"entrega/CNPJ": "15436940000104"}, {"entrega": _PLACE}),
    "the_place_of_deliverys_cpf_is_one": Case("simples", {"entrega/CPF": "11111111111"}, {"entrega": _PLACE}),
    "the_readers_cnpj_is_one": Case("simples", {"autXML/CNPJ": "15436940000104"}, {"autXML/CNPJ": "15436940000103"}),
    "the_readers_cpf_is_one": Case("simples", {"autXML/CPF": "11111111111"}, {"autXML/CPF": "11144477735"}),
}

ITEMS = {
    "items_are_numbered_in_sequence": Case("three_items", {"det[2]/@nItem": "3"}),
    "cEAN_is_a_gtin": Case("simples", {"det/prod/cEAN": "7891000315508"}),
    "cEANTrib_is_a_gtin": Case("simples", {"det/prod/cEANTrib": "7891000315508"}),
    "cEAN_is_of_the_whole_world": Case("simples", {"det/prod/cEAN": "2000000000008"}),
    "cEAN_says_something": Case("simples", {"det/prod/cEAN": ""}),
    "cEANTrib_says_something": Case("simples", {"det/prod/cEANTrib": ""}),
    "a_gtin_has_a_gtin_of_its_tax_unit": Case("simples", {"det/prod/cEANTrib": "SEM GTIN"}),
    "a_gtin_of_the_tax_unit_has_a_gtin": Case("simples", {"det/prod/cEAN": "SEM GTIN"}),
    "NCM_is_whole": Case("simples", {"det/prod/NCM": "00"}),
    "NCM_is_of_a_chapter": Case("simples", {"det/prod/NCM": "77000000"}),
    "an_internal_CFOP_is_in_an_internal_note": Case("simples", {"det/prod/CFOP": "5102"}),
    "an_interstate_CFOP_is_in_an_interstate_note": Case("simples", {"ide/idDest": "1"}),
    "vProd_is_quantity_times_price": Case("simples", {"det/prod/qCom": "2.0000"}),
    "vProd_is_taxed_quantity_times_price": Case("simples", {"det/prod/vUnTrib": "99.98"}),
}

_SN = "det/imposto/ICMS/ICMSSN102"
_00 = "det/imposto/ICMS/ICMS00"
_DIFAL = "det/imposto/ICMSUFDest"

_51 = "det/imposto/ICMS/ICMS51"
_DEFERRED_ICMS = {
    "det/imposto/ICMS": "<ICMS51><orig>0</orig><CST>51</CST><vBC>100.00</vBC><pICMS>18.00</pICMS><vICMSOp>18.00</vICMSOp>"
    "<pDif>33.3333</pDif><vICMSDif>6.00</vICMSDif><vICMS>12.00</vICMS></ICMS51>"
}
_10 = "det/imposto/ICMS/ICMS10"
_SUBSTITUTED = {
    "det/imposto/ICMS": "<ICMS10><orig>0</orig><CST>10</CST><vBC>100.00</vBC><pICMS>12.00</pICMS><vICMS>12.00</vICMS>"
    "<modBCST>4</modBCST><pMVAST>40.00</pMVAST><vBCST>140.00</vBCST><pICMSST>18.00</pICMSST><vICMSST>13.20</vICMSST>"
    "<vBCFCPST>140.00</vBCFCPST><pFCPST>2.00</pFCPST><vFCPST>2.80</vFCPST></ICMS10>"
}
_CREDIT = {
    "det/imposto/ICMS": "<ICMSSN101><CSOSN>101</CSOSN><pCredSN>1.25</pCredSN><vCredICMSSN>1.25</vCredICMSSN></ICMSSN101>"
}

ICMS = {
    "the_origin_is_told": Case("simples", {f"{_SN}/orig": None}),
    "the_simples_uses_no_CST": Case("simples", {f"{_SN}/CST": "00"}),
    "only_the_simples_uses_CSOSN": Case("normal", {f"{_00}/CSOSN": "102"}),
    "the_CST_suits_a_consumer": Case("normal", {f"{_00}/CST": "10"}),
    "the_CSOSN_suits_a_consumer": Case("simples", {f"{_SN}/CSOSN": "101"}),
    "the_CSOSN_is_a_meis": Case("simples", {f"{_SN}/CSOSN": "500"}, _MEI),
    "the_CFOP_is_a_meis": Case("simples", {"det/prod/CFOP": "6108"}, _MEI),
    "vICMS_is_base_times_rate": Case("normal", {f"{_00}/vICMS": "12.02"}),
    "vICMSOp_is_base_times_rate": Case("normal", {f"{_51}/vICMSOp": "18.02"}, _DEFERRED_ICMS),
    "vICMSDif_is_a_part_of_vICMSOp": Case("normal", {f"{_51}/vICMSDif": "6.02"}, _DEFERRED_ICMS),
    "vICMS_is_what_is_not_deferred": Case("normal", {f"{_51}/vICMS": "12.02"}, _DEFERRED_ICMS),
    "vFCP_is_base_times_rate": Case("normal", {f"{_00}/vFCP": "2.02"}, {f"{_00}/pFCP": "2.00", f"{_00}/vFCP": "2.00"}),
    "pFCP_is_never_zero": Case("normal", {f"{_00}/pFCP": "0.00"}),
    "pFCPST_is_never_zero": Case("normal", {f"{_00}/pFCPST": "0.00"}),
    "FCP_of_the_buyers_uf_is_in_its_own_field": Case("normal", {f"{_00}/vFCP": "2.00"}),
    "the_buyers_ufs_part_is_there": Case("normal", {_DIFAL: None}),
    "the_buyers_ufs_part_is_not_there_for_nothing": Case("normal", {"ide/indFinal": "0"}),
    "foreign_goods_leave_at_four": Case("normal", {f"{_00}/orig": "1"}),
    "the_rate_is_that_of_the_two_ufs": Case("normal", {f"{_DIFAL}/pICMSInter": "7.00"}),
    "the_whole_difference_is_the_buyers_ufs": Case("normal", {f"{_DIFAL}/pICMSInterPart": "80.00"}),
    "vFCPUFDest_is_base_times_rate": Case("normal", {f"{_DIFAL}/vFCPUFDest": "2.02"}),
    "vICMSUFDest_is_the_difference_of_the_rates": Case("normal", {f"{_DIFAL}/vICMSUFDest": "6.02"}),
}

SUBSTITUTION = {
    "vBCST_is_the_goods_with_the_margin": Case("normal", {f"{_10}/vBCST": "140.01"}, _SUBSTITUTED),
    "vICMSST_is_what_the_own_tax_leaves": Case("normal", {f"{_10}/vICMSST": "13.21"}, _SUBSTITUTED),
    "vFCPST_is_base_times_rate": Case("normal", {f"{_10}/vFCPST": "2.81"}, _SUBSTITUTED),
    "the_fund_by_substitution_has_the_same_base": Case("normal", {f"{_10}/vBCFCPST": "140.01"}, _SUBSTITUTED),
    "vCredICMSSN_is_the_line_times_pCredSN": Case(
        "simples", {"det/imposto/ICMS/ICMSSN101/vCredICMSSN": "1.26"}, _CREDIT
    ),
}

FEDERAL = {
    "PIS_is_there": Case("simples", {"det/imposto/PIS": None}),
    "COFINS_is_there": Case("simples", {"det/imposto/COFINS": None}),
    "PIS_tax_is_base_times_rate": Case("normal", {"det/imposto/PIS/PISAliq/vPIS": "1.46"}),
    "COFINS_tax_is_base_times_rate": Case("normal", {"det/imposto/COFINS/COFINSAliq/vCOFINS": "6.70"}),
    "PIS_tax_is_quantity_times_rate": Case(
        "normal",
        {"det/imposto/PIS/PISQtde/vPIS": "1.01"},
        {"det/imposto/PIS": "<PISQtde><CST>03</CST><qBCProd>2.0000</qBCProd><vAliqProd>0.5000</vAliqProd><vPIS>1.00</vPIS></PISQtde>"},
    ),
    "COFINS_tax_is_quantity_times_rate": Case(
        "normal",
        {"det/imposto/COFINS/COFINSQtde/vCOFINS": "1.01"},
        {
            "det/imposto/COFINS": "<COFINSQtde><CST>03</CST><qBCProd>2.0000</qBCProd><vAliqProd>0.5000</vAliqProd><vCOFINS>1.00</vCOFINS></COFINSQtde>"
        },
    ),
    "PIS_rate_has_a_base": Case("simples", {"det/imposto/PIS/PISOutr/pPIS": "1.00"}),
    "COFINS_rate_has_a_base": Case("simples", {"det/imposto/COFINS/COFINSOutr/pCOFINS": "1.00"}),
    "PIS_and_COFINS_have_one_base": Case("normal", {"det/imposto/PIS/PISAliq/vBC": "88.01"}),
    "IPI_has_a_usual_base": Case("normal", {"det/imposto/IPI/IPITrib/vBC": "100.01"}, {"det/imposto/IPI": _IPI}),
    "vIPI_is_base_times_rate": Case("normal", {"det/imposto/IPI/IPITrib/vIPI": "5.01"}, {"det/imposto/IPI": _IPI}),
}  # fmt: skip

_SELECTIVE = {
    "det/imposto/IS": "<CSTIS>000</CSTIS><cClassTribIS>000001</cClassTribIS><vBCIS>61.86</vBCIS><pIS>16.1656</pIS><vIS>10.00</vIS>",
    "total/ISTot": "<vIS>10.00</vIS>",
}

IBS_CBS = {
    "the_total_of_IS_has_items": Case("normal", {"det/imposto/IS": None}, _SELECTIVE),
    "the_items_IS_has_a_total": Case("normal", {"total/ISTot": None}, _SELECTIVE),
    "the_total_of_IS_is_the_sum_of_the_items": Case("normal", {"total/ISTot/vIS": "10.01"}, _SELECTIVE),
    "vIS_is_base_times_rate": Case("normal", {"det/imposto/IS/vIS": "10.02"}, _SELECTIVE),
    "the_base_of_IBS_is_that_of_IS_and_IS": Case("normal", {"det/imposto/IS/vBCIS": "61.87"}, _SELECTIVE),
    "a_test_of_the_normal_regime_has_IBSCBS": Case("normal", {"det/imposto/IBSCBS": None}, {"ide/tpAmb": "2"}),
    "the_normal_regime_has_IBSCBS": Case("normal", {"det/imposto/IBSCBS": None}),
    "the_totals_of_IBSCBS_have_items": Case("normal", {"det/imposto/IBSCBS": None}),
    "the_items_IBSCBS_have_totals": Case("normal", {"total/IBSCBSTot": None}),
    "gIBSUF_rate_is_the_years": Case("normal", {f"{_UNITED}/gIBSUF/pIBSUF": "0.20"}),
    "gIBSMun_rate_is_the_years": Case("normal", {f"{_UNITED}/gIBSMun/pIBSMun": "0.05"}),
    "gCBS_rate_is_the_years": Case("normal", {f"{_UNITED}/gCBS/pCBS": "0.80"}),
    "cClassTrib_is_of_the_CST": Case("normal", {"det/imposto/IBSCBS/CST": "200"}),
    "gIBSUF_cut_is_the_classs": Case("reduced", {f"{_UNITED}/gIBSUF/gRed/pRedAliq": "30.00"}),
    "gIBSMun_cut_is_the_classs": Case("reduced", {f"{_UNITED}/gIBSMun/gRed/pRedAliq": "30.00"}),
    "gCBS_cut_is_the_classs": Case("reduced", {f"{_UNITED}/gCBS/gRed/pRedAliq": "30.00"}),
    "gIBSUF_reduced_rate_is_computed": Case("reduced", {f"{_UNITED}/gIBSUF/gRed/pAliqEfet": "0.0500"}),
    "gIBSMun_reduced_rate_is_computed": Case("reduced", {f"{_UNITED}/gIBSMun/gRed/pAliqEfet": "0.0500"}),
    "gCBS_reduced_rate_is_computed": Case("reduced", {f"{_UNITED}/gCBS/gRed/pAliqEfet": "0.3500"}),
    "gIBSUF_deferred_is_a_part_of_the_tax": Case(
        "normal", {f"{_UNITED}/gIBSUF/gDif/vDif": "0.07"}, {f"{_UNITED}/gIBSUF/gDif": _DEFERRED.format("0.04")}
    ),
    "gIBSMun_deferred_is_a_part_of_the_tax": Case(
        "normal", {f"{_UNITED}/gIBSMun/gDif/vDif": "0.07"}, {f"{_UNITED}/gIBSMun/gDif": _DEFERRED.format("0.00")}
    ),
    "gCBS_deferred_is_a_part_of_the_tax": Case(
        "normal", {f"{_UNITED}/gCBS/gDif/vDif": "0.40"}, {f"{_UNITED}/gCBS/gDif": _DEFERRED.format("0.32")}
    ),
    "gIBSUF_tax_is_base_times_rate": Case("normal", {f"{_UNITED}/gIBSUF/vIBSUF": "0.09"}),
    "gIBSMun_tax_is_base_times_rate": Case("normal", {f"{_UNITED}/gIBSMun/vIBSMun": "0.02"}),
    "gCBS_tax_is_base_times_rate": Case("normal", {f"{_UNITED}/gCBS/vCBS": "0.67"}),
    "vIBS_is_the_sum_of_both": Case("normal", {f"{_UNITED}/vIBS": "0.09"}),
    "vTribRegIBSUF_is_base_times_rate": Case(
        "normal", {f"{_UNITED}/gTribRegular/vTribRegIBSUF": "0.09"}, {f"{_UNITED}/gTribRegular": _REGULAR}
    ),
    "vTribRegIBSMun_is_base_times_rate": Case(
        "normal", {f"{_UNITED}/gTribRegular/vTribRegIBSMun": "0.02"}, {f"{_UNITED}/gTribRegular": _REGULAR}
    ),
    "vTribRegCBS_is_base_times_rate": Case(
        "normal", {f"{_UNITED}/gTribRegular/vTribRegCBS": "0.67"}, {f"{_UNITED}/gTribRegular": _REGULAR}
    ),
}

_SUMMED = (
    "vBC", "vICMS", "vICMSDeson", "vFCPUFDest", "vICMSUFDest", "vICMSUFRemet", "vFCP", "vBCST", "vST", "vFCPST",
    "vFCPSTRet", "vFrete", "vSeg", "vDesc", "vII", "vIPI", "vIPIDevol", "vPIS", "vCOFINS", "vOutro", "vTotTrib", "vProd",
)  # fmt: skip
_IBS_CBS_SUMMED = (
    "vBCIBSCBS", "gIBS/gIBSUF/vDif", "gIBS/gIBSUF/vDevTrib", "gIBS/gIBSUF/vIBSUF", "gIBS/gIBSMun/vDif",
    "gIBS/gIBSMun/vDevTrib", "gIBS/gIBSMun/vIBSMun", "gIBS/vIBS", "gIBS/vCredPres", "gCBS/vDif", "gCBS/vDevTrib",
    "gCBS/vCBS", "gCBS/vCredPres",
)  # fmt: skip

TOTALS = (
    {f"{tag}_is_the_sum_of_the_items": Case("normal", {f"total/ICMSTot/{tag}": "77.77"}) for tag in _SUMMED}
    | {
        f"{path.replace('/', '_')}_is_the_sum_of_the_items": Case("normal", {f"total/IBSCBSTot/{path}": "77.77"})
        for path in _IBS_CBS_SUMMED
    }
    | {
        "vNF_is_made_of_the_totals": Case("normal", {"total/ICMSTot/vNF": "100.51"}),
        "vItem_is_made_of_the_item": Case("normal", {"det/vItem": "100.02"}),
        "vNFTot_is_the_sum_of_the_items": Case("normal", {"total/vNFTot": "100.01"}),
    }
)

_PAID = "pag/detPag"

PAYMENTS = {
    "a_correction_has_no_payment": Case("simples", {"ide/finNFe": "4"}),
    "tPag_is_in_the_table": Case("simples", {f"{_PAID}/tPag": "98"}),
    "tBand_is_in_the_table": Case("simples", {f"{_PAID}/card/tBand": "98"}),
    "another_method_is_described": Case("simples", {f"{_PAID}/tPag": "99"}),
    "only_another_method_is_described": Case("simples", {f"{_PAID}/xPag": "Vale"}),
    "enough_is_paid": Case("simples", {f"{_PAID}/vPag": "99.99"}),
    "too_much_is_changed": Case("simples", {f"{_PAID}/vPag": "100.01"}),
    "the_change_is_what_is_too_much": Case(
        "simples", {"pag/vTroco": "9.00"}, {f"{_PAID}/vPag": "110.00", "pag/vTroco": "10.00"}
    ),
    "nothing_is_paid_with_nothing": Case("simples", {f"{_PAID}/tPag": "90"}),
    "a_card_is_told_about": Case("simples", {f"{_PAID}/card": None}),
    "an_integrated_card_is_whole": Case("simples", {f"{_PAID}/card/cAut": None}),
    "the_institutions_cnpj_is_one": Case("simples", {f"{_PAID}/card/CNPJ": "15436940000104"}),
}

CONSISTENCY = {
    "vICMSEfet_is_base_times_rate": Case(
        "normal",
        {f"{_00}/vICMSEfet": "18.01"},
        {f"{_00}/vBCEfet": "100.00", f"{_00}/pICMSEfet": "18.00", f"{_00}/vICMSEfet": "18.00"},
    ),
    "a_reduced_base_is_what_is_left_of_the_line": Case("reduced", {"det/imposto/ICMS/ICMS20/pRedBC": "41.00"}),
    "DIFAL_has_a_usual_base": Case("normal", {f"{_DIFAL}/vBCUFDest": "100.01"}),
    "the_fund_has_the_same_base": Case("normal", {f"{_DIFAL}/vBCFCPUFDest": "100.01"}),
    "nothing_of_DIFAL_is_left_to_the_issuers_uf": Case("normal", {f"{_DIFAL}/vICMSUFRemet": "1.00"}),
    "IBS_suspended_credit_is_the_sum": Case("normal", {"total/IBSCBSTot/gIBS/vCredPresCondSus": "1.00"}),
    "CBS_suspended_credit_is_the_sum": Case("normal", {"total/IBSCBSTot/gCBS/vCredPresCondSus": "1.00"}),
    "the_simples_owes_no_DIFAL": Case("normal", {"emit/CRT": "1"}),
}

CASES = (
    IDENTIFICATION
    | PLACES
    | PARTIES
    | ITEMS
    | ICMS
    | SUBSTITUTION
    | FEDERAL
    | IBS_CBS
    | TOTALS
    | PAYMENTS
    | CONSISTENCY
)
