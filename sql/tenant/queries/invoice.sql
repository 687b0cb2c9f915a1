-- name: CreateNfe :exec
-- Invoices come and go as JSON with the names of the columns: numbers are text in it
-- and never pass through a float.
insert into tenant.nfe_documents (tenant_id, id, total_cents,
    emitter_id, recipient_id, emitente, destinatario, modelo, versao, ambiente, serie, natureza_operacao, tipo_operacao, tipo_emissao, finalidade,
    id_destino, indicador_final, indicador_presencial, data_emissao, data_emissao_offset, data_saida_entrada, data_saida_entrada_offset,
    valor_produtos, valor_desconto, valor_icms_desonerado, valor_st, valor_fcp_st, valor_frete, valor_seguro, valor_outras_despesas, valor_ii,
    valor_ipi, valor_ipi_devolvido, valor_servicos, valor_impostos, valor_total, valor_troco, pedido_compra, contrato, informacoes_adicionais,
    informacoes_fisco, ibs_cbs, justificativa_contingencia, findings)
select @tenant_id, @id, coalesce(r.valor_total, 0) * 100,
    r.emitter_id, r.recipient_id, r.emitente, r.destinatario, r.modelo, r.versao, r.ambiente, r.serie, r.natureza_operacao, r.tipo_operacao,
    r.tipo_emissao, r.finalidade, r.id_destino, r.indicador_final, r.indicador_presencial, r.data_emissao, r.data_emissao_offset,
    r.data_saida_entrada, r.data_saida_entrada_offset, coalesce(r.valor_produtos, 0), coalesce(r.valor_desconto, 0),
    coalesce(r.valor_icms_desonerado, 0), coalesce(r.valor_st, 0), coalesce(r.valor_fcp_st, 0), coalesce(r.valor_frete, 0),
    coalesce(r.valor_seguro, 0), coalesce(r.valor_outras_despesas, 0), coalesce(r.valor_ii, 0), coalesce(r.valor_ipi, 0),
    coalesce(r.valor_ipi_devolvido, 0), coalesce(r.valor_servicos, 0), coalesce(r.valor_impostos, 0), coalesce(r.valor_total, 0),
    coalesce(r.valor_troco, 0), r.pedido_compra, r.contrato, r.informacoes_adicionais, r.informacoes_fisco, r.ibs_cbs, r.justificativa_contingencia,
    r.findings
from json_to_record(@head::json) as r (
    emitter_id uuid, recipient_id uuid, emitente json, destinatario json, modelo text, versao text, ambiente text, serie text, natureza_operacao text,
    tipo_operacao text, tipo_emissao text, finalidade text, id_destino text, indicador_final text, indicador_presencial text,
    data_emissao timestamptz, data_emissao_offset integer, data_saida_entrada timestamptz, data_saida_entrada_offset integer, valor_produtos numeric,
    valor_desconto numeric, valor_icms_desonerado numeric, valor_st numeric, valor_fcp_st numeric, valor_frete numeric, valor_seguro numeric,
    valor_outras_despesas numeric, valor_ii numeric, valor_ipi numeric, valor_ipi_devolvido numeric, valor_servicos numeric, valor_impostos numeric,
    valor_total numeric, valor_troco numeric, pedido_compra text, contrato text, informacoes_adicionais text, informacoes_fisco text, ibs_cbs json,
    justificativa_contingencia text, findings json);

-- name: UpdateNfe :exec
update tenant.nfe_documents d
set version = d.version + 1, updated_at = now(), total_cents = coalesce(r.valor_total, 0) * 100,
    emitter_id = r.emitter_id, recipient_id = r.recipient_id, emitente = r.emitente, destinatario = r.destinatario, modelo = r.modelo,
    versao = r.versao, ambiente = r.ambiente, serie = r.serie, natureza_operacao = r.natureza_operacao, tipo_operacao = r.tipo_operacao,
    tipo_emissao = r.tipo_emissao, finalidade = r.finalidade, id_destino = r.id_destino, indicador_final = r.indicador_final,
    indicador_presencial = r.indicador_presencial, data_emissao = r.data_emissao, data_emissao_offset = r.data_emissao_offset,
    data_saida_entrada = r.data_saida_entrada, data_saida_entrada_offset = r.data_saida_entrada_offset,
    valor_produtos = coalesce(r.valor_produtos, 0), valor_desconto = coalesce(r.valor_desconto, 0),
    valor_icms_desonerado = coalesce(r.valor_icms_desonerado, 0), valor_st = coalesce(r.valor_st, 0), valor_fcp_st = coalesce(r.valor_fcp_st, 0),
    valor_frete = coalesce(r.valor_frete, 0), valor_seguro = coalesce(r.valor_seguro, 0),
    valor_outras_despesas = coalesce(r.valor_outras_despesas, 0), valor_ii = coalesce(r.valor_ii, 0), valor_ipi = coalesce(r.valor_ipi, 0),
    valor_ipi_devolvido = coalesce(r.valor_ipi_devolvido, 0), valor_servicos = coalesce(r.valor_servicos, 0),
    valor_impostos = coalesce(r.valor_impostos, 0), valor_total = coalesce(r.valor_total, 0), valor_troco = coalesce(r.valor_troco, 0),
    pedido_compra = r.pedido_compra, contrato = r.contrato, informacoes_adicionais = r.informacoes_adicionais,
    informacoes_fisco = r.informacoes_fisco, ibs_cbs = r.ibs_cbs, justificativa_contingencia = r.justificativa_contingencia, findings = r.findings
from json_to_record(@head::json) as r (
    emitter_id uuid, recipient_id uuid, emitente json, destinatario json, modelo text, versao text, ambiente text, serie text, natureza_operacao text,
    tipo_operacao text, tipo_emissao text, finalidade text, id_destino text, indicador_final text, indicador_presencial text,
    data_emissao timestamptz, data_emissao_offset integer, data_saida_entrada timestamptz, data_saida_entrada_offset integer, valor_produtos numeric,
    valor_desconto numeric, valor_icms_desonerado numeric, valor_st numeric, valor_fcp_st numeric, valor_frete numeric, valor_seguro numeric,
    valor_outras_despesas numeric, valor_ii numeric, valor_ipi numeric, valor_ipi_devolvido numeric, valor_servicos numeric, valor_impostos numeric,
    valor_total numeric, valor_troco numeric, pedido_compra text, contrato text, informacoes_adicionais text, informacoes_fisco text, ibs_cbs json,
    justificativa_contingencia text, findings json)
where d.tenant_id = @tenant_id and d.id = @id;

-- name: PutNfeContent :exec
-- PutNfeContent writes all that belongs to a document in one statement, each table
-- from one JSON array.
with put_itens as (
    insert into tenant.nfe_items (tenant_id, document_id,
        numero_item, product_id, codigo, ean, descricao, ncm, cest, cfop, unidade, quantidade, valor_unitario, valor_total, valor_desconto,
        valor_frete, valor_seguro, valor_outras_despesas, valor_ii, valor_ipi_devolvido, indicador_total, informacoes_adicionais,
        numero_pedido_compra, item_pedido_compra, ibs_cbs)
    select @tenant_id, @document_id,
        r.numero_item, r.product_id, r.codigo, r.ean, r.descricao, r.ncm, r.cest, r.cfop, r.unidade, r.quantidade, r.valor_unitario,
        coalesce(r.valor_total, 0), coalesce(r.valor_desconto, 0), coalesce(r.valor_frete, 0), coalesce(r.valor_seguro, 0),
        coalesce(r.valor_outras_despesas, 0), coalesce(r.valor_ii, 0), coalesce(r.valor_ipi_devolvido, 0), r.indicador_total,
        r.informacoes_adicionais, r.numero_pedido_compra, r.item_pedido_compra, r.ibs_cbs
    from json_to_recordset(@itens::json) as r (
        numero_item integer, product_id uuid, codigo text, ean text, descricao text, ncm text, cest text, cfop text, unidade text, quantidade numeric,
        valor_unitario numeric, valor_total numeric, valor_desconto numeric, valor_frete numeric, valor_seguro numeric, valor_outras_despesas numeric,
        valor_ii numeric, valor_ipi_devolvido numeric, indicador_total text, informacoes_adicionais text, numero_pedido_compra text,
        item_pedido_compra text, ibs_cbs json)
), put_icms as (
    insert into tenant.nfe_icms (tenant_id, document_id,
        numero_item, origem, cst, modalidade_bc, valor_bc, aliquota, valor, modalidade_bc_st, percentual_mva_st, percentual_reducao_bc_st,
        valor_bc_st, aliquota_st, valor_st, valor_fcp_st, percentual_reducao_bc, valor_desonerado, motivo_desoneracao, percentual_reducao_bc_efetiva,
        valor_bc_efetiva, aliquota_efetiva, valor_efetivo, codigo_beneficio_fiscal, percentual_diferimento)
    select @tenant_id, @document_id,
        r.numero_item, r.origem, r.cst, r.modalidade_bc, r.valor_bc, r.aliquota, r.valor, r.modalidade_bc_st, r.percentual_mva_st,
        r.percentual_reducao_bc_st, r.valor_bc_st, r.aliquota_st, r.valor_st, r.valor_fcp_st, r.percentual_reducao_bc, r.valor_desonerado,
        r.motivo_desoneracao, r.percentual_reducao_bc_efetiva, r.valor_bc_efetiva, r.aliquota_efetiva, r.valor_efetivo, r.codigo_beneficio_fiscal,
        r.percentual_diferimento
    from json_to_recordset(@icms::json) as r (
        numero_item integer, origem text, cst text, modalidade_bc text, valor_bc numeric, aliquota numeric, valor numeric, modalidade_bc_st text,
        percentual_mva_st numeric, percentual_reducao_bc_st numeric, valor_bc_st numeric, aliquota_st numeric, valor_st numeric, valor_fcp_st numeric,
        percentual_reducao_bc numeric, valor_desonerado numeric, motivo_desoneracao text, percentual_reducao_bc_efetiva numeric,
        valor_bc_efetiva numeric, aliquota_efetiva numeric, valor_efetivo numeric, codigo_beneficio_fiscal text, percentual_diferimento numeric)
), put_ipi as (
    insert into tenant.nfe_ipi (tenant_id, document_id,
        numero_item, cst, classe_enquadramento, codigo_enquadramento, cnpj_produtor, codigo_selo_controle, quantidade_selo, modalidade_bc, valor_bc,
        aliquota, quantidade_unidade, valor_unidade, valor)
    select @tenant_id, @document_id,
        r.numero_item, r.cst, r.classe_enquadramento, r.codigo_enquadramento, r.cnpj_produtor, r.codigo_selo_controle, r.quantidade_selo,
        r.modalidade_bc, r.valor_bc, r.aliquota, r.quantidade_unidade, r.valor_unidade, r.valor
    from json_to_recordset(@ipi::json) as r (
        numero_item integer, cst text, classe_enquadramento text, codigo_enquadramento text, cnpj_produtor text, codigo_selo_controle text,
        quantidade_selo text, modalidade_bc text, valor_bc numeric, aliquota numeric, quantidade_unidade numeric, valor_unidade numeric, valor numeric)
), put_pis as (
    insert into tenant.nfe_pis (tenant_id, document_id,
        numero_item, cst, modalidade_bc, valor_bc, aliquota_percentual, aliquota_valor, quantidade_vendida, valor)
    select @tenant_id, @document_id,
        r.numero_item, r.cst, r.modalidade_bc, r.valor_bc, r.aliquota_percentual, r.aliquota_valor, r.quantidade_vendida, r.valor
    from json_to_recordset(@pis::json) as r (
        numero_item integer, cst text, modalidade_bc text, valor_bc numeric, aliquota_percentual numeric, aliquota_valor numeric,
        quantidade_vendida numeric, valor numeric)
), put_cofins as (
    insert into tenant.nfe_cofins (tenant_id, document_id,
        numero_item, cst, modalidade_bc, valor_bc, aliquota_percentual, aliquota_valor, quantidade_vendida, valor)
    select @tenant_id, @document_id,
        r.numero_item, r.cst, r.modalidade_bc, r.valor_bc, r.aliquota_percentual, r.aliquota_valor, r.quantidade_vendida, r.valor
    from json_to_recordset(@cofins::json) as r (
        numero_item integer, cst text, modalidade_bc text, valor_bc numeric, aliquota_percentual numeric, aliquota_valor numeric,
        quantidade_vendida numeric, valor numeric)
), put_transporte as (
    insert into tenant.nfe_transport (tenant_id, document_id,
        modalidade_frete, cnpj, cpf, razao_social, inscricao_estadual, endereco_completo, municipio, uf, placa_veiculo, uf_veiculo, rntc,
        valor_servico, valor_bc_retencao_icms, aliquota_retencao_icms, valor_icms_retido, cfop, codigo_municipio, informacoes_fisco)
    select @tenant_id, @document_id,
        r.modalidade_frete, r.cnpj, r.cpf, r.razao_social, r.inscricao_estadual, r.endereco_completo, r.municipio, r.uf, r.placa_veiculo,
        r.uf_veiculo, r.rntc, r.valor_servico, r.valor_bc_retencao_icms, r.aliquota_retencao_icms, r.valor_icms_retido, r.cfop, r.codigo_municipio,
        r.informacoes_fisco
    from json_to_recordset(@transporte::json) as r (
        modalidade_frete text, cnpj text, cpf text, razao_social text, inscricao_estadual text, endereco_completo text, municipio text, uf text,
        placa_veiculo text, uf_veiculo text, rntc text, valor_servico numeric, valor_bc_retencao_icms numeric, aliquota_retencao_icms numeric,
        valor_icms_retido numeric, cfop text, codigo_municipio text, informacoes_fisco text)
), put_volumes as (
    insert into tenant.nfe_transport_volumes (tenant_id, document_id,
        sequence, quantidade, especie, marca, numeracao, peso_liquido, peso_bruto)
    select @tenant_id, @document_id,
        r.sequence, r.quantidade, r.especie, r.marca, r.numeracao, r.peso_liquido, r.peso_bruto
    from json_to_recordset(@volumes::json) as r (
        sequence integer, quantidade text, especie text, marca text, numeracao text, peso_liquido numeric, peso_bruto numeric)
), put_pagamentos as (
    insert into tenant.nfe_payments (tenant_id, document_id,
        sequence, indicador_pagamento, forma_pagamento, descricao, valor, tipo_integracao, cnpj_credenciadora, bandeira, numero_autorizacao)
    select @tenant_id, @document_id,
        r.sequence, r.indicador_pagamento, r.forma_pagamento, r.descricao, coalesce(r.valor, 0), r.tipo_integracao, r.cnpj_credenciadora, r.bandeira,
        r.numero_autorizacao
    from json_to_recordset(@pagamentos::json) as r (
        sequence integer, indicador_pagamento text, forma_pagamento text, descricao text, valor numeric, tipo_integracao text,
        cnpj_credenciadora text, bandeira text, numero_autorizacao text)
), put_referencias as (
    insert into tenant.nfe_references (tenant_id, document_id,
        sequence, tipo, chave_acesso, uf, mes_ano, cnpj, modelo, serie, numero)
    select @tenant_id, @document_id,
        r.sequence, r.tipo, r.chave_acesso, r.uf, r.mes_ano, r.cnpj, r.modelo, r.serie, r.numero
    from json_to_recordset(@referencias::json) as r (
        sequence integer, tipo text, chave_acesso text, uf text, mes_ano text, cnpj text, modelo text, serie text, numero text)
)
insert into tenant.nfe_fiscal_info (tenant_id, document_id,
    campo, sequence, texto)
select @tenant_id, @document_id,
    r.campo, r.sequence, r.texto
from json_to_recordset(@informacoes_fiscais::json) as r (
    campo text, sequence integer, texto text);

-- name: DeleteNfeContent :exec
with del_items as (delete from tenant.nfe_items i where i.tenant_id = @tenant_id and i.document_id = @document_id),
    del_transport as (delete from tenant.nfe_transport t where t.tenant_id = @tenant_id and t.document_id = @document_id),
    del_payments as (delete from tenant.nfe_payments p where p.tenant_id = @tenant_id and p.document_id = @document_id),
    del_references as (delete from tenant.nfe_references r where r.tenant_id = @tenant_id and r.document_id = @document_id)
delete from tenant.nfe_fiscal_info f where f.tenant_id = @tenant_id and f.document_id = @document_id;

-- name: GetNfe :one
-- GetNfe reads a document with all that belongs to it, as one statement sees it.
select d.version, app.nfe_head(d)::json as head,
    (select json_agg(x order by x.numero_item) from (select
            i.numero_item, i.product_id, i.codigo, i.ean, i.descricao, i.ncm, i.cest, i.cfop, i.unidade, trim_scale(i.quantidade)::text as quantidade,
            trim_scale(i.valor_unitario)::text as valor_unitario, i.valor_total::text as valor_total, i.valor_desconto::text as valor_desconto,
            i.valor_frete::text as valor_frete, i.valor_seguro::text as valor_seguro, i.valor_outras_despesas::text as valor_outras_despesas,
            i.valor_ii::text as valor_ii, i.valor_ipi_devolvido::text as valor_ipi_devolvido, i.indicador_total, i.informacoes_adicionais,
            i.numero_pedido_compra, i.item_pedido_compra, i.ibs_cbs,
            (select row_to_json(x) from (select
                    t.origem, t.cst, t.modalidade_bc, t.valor_bc::text as valor_bc, trim_scale(t.aliquota)::text as aliquota, t.valor::text as valor,
                    t.modalidade_bc_st, trim_scale(t.percentual_mva_st)::text as percentual_mva_st,
                    trim_scale(t.percentual_reducao_bc_st)::text as percentual_reducao_bc_st, t.valor_bc_st::text as valor_bc_st,
                    trim_scale(t.aliquota_st)::text as aliquota_st, t.valor_st::text as valor_st, t.valor_fcp_st::text as valor_fcp_st,
                    trim_scale(t.percentual_reducao_bc)::text as percentual_reducao_bc, t.valor_desonerado::text as valor_desonerado,
                    t.motivo_desoneracao, trim_scale(t.percentual_reducao_bc_efetiva)::text as percentual_reducao_bc_efetiva,
                    t.valor_bc_efetiva::text as valor_bc_efetiva, trim_scale(t.aliquota_efetiva)::text as aliquota_efetiva,
                    t.valor_efetivo::text as valor_efetivo, t.codigo_beneficio_fiscal,
                    trim_scale(t.percentual_diferimento)::text as percentual_diferimento
                from tenant.nfe_icms t where t.tenant_id = i.tenant_id and t.document_id = i.document_id and t.numero_item = i.numero_item) x) as icms,
            (select row_to_json(x) from (select
                    t.cst, t.classe_enquadramento, t.codigo_enquadramento, t.cnpj_produtor, t.codigo_selo_controle, t.quantidade_selo,
                    t.modalidade_bc, t.valor_bc::text as valor_bc, trim_scale(t.aliquota)::text as aliquota,
                    trim_scale(t.quantidade_unidade)::text as quantidade_unidade, trim_scale(t.valor_unidade)::text as valor_unidade,
                    t.valor::text as valor
                from tenant.nfe_ipi t where t.tenant_id = i.tenant_id and t.document_id = i.document_id and t.numero_item = i.numero_item) x) as ipi,
            (select row_to_json(x) from (select
                    t.cst, t.modalidade_bc, t.valor_bc::text as valor_bc, trim_scale(t.aliquota_percentual)::text as aliquota_percentual,
                    trim_scale(t.aliquota_valor)::text as aliquota_valor, trim_scale(t.quantidade_vendida)::text as quantidade_vendida,
                    t.valor::text as valor
                from tenant.nfe_pis t where t.tenant_id = i.tenant_id and t.document_id = i.document_id and t.numero_item = i.numero_item) x) as pis,
            (select row_to_json(x) from (select
                    t.cst, t.modalidade_bc, t.valor_bc::text as valor_bc, trim_scale(t.aliquota_percentual)::text as aliquota_percentual,
                    trim_scale(t.aliquota_valor)::text as aliquota_valor, trim_scale(t.quantidade_vendida)::text as quantidade_vendida,
                    t.valor::text as valor
                from tenant.nfe_cofins t where t.tenant_id = i.tenant_id and t.document_id = i.document_id and t.numero_item = i.numero_item) x) as cofins
        from tenant.nfe_items i where i.tenant_id = d.tenant_id and i.document_id = d.id) x)::json as itens,
    (select row_to_json(x) from (select
            t.modalidade_frete, t.cnpj, t.cpf, t.razao_social, t.inscricao_estadual, t.endereco_completo, t.municipio, t.uf, t.placa_veiculo,
            t.uf_veiculo, t.rntc, t.valor_servico::text as valor_servico, t.valor_bc_retencao_icms::text as valor_bc_retencao_icms,
            trim_scale(t.aliquota_retencao_icms)::text as aliquota_retencao_icms, t.valor_icms_retido::text as valor_icms_retido, t.cfop,
            t.codigo_municipio, t.informacoes_fisco,
            (select json_agg(y) from (select
                v.quantidade, v.especie, v.marca, v.numeracao, trim_scale(v.peso_liquido)::text as peso_liquido,
                trim_scale(v.peso_bruto)::text as peso_bruto
                from tenant.nfe_transport_volumes v where v.tenant_id = t.tenant_id and v.document_id = t.document_id order by v.sequence) y) as volumes
        from tenant.nfe_transport t where t.tenant_id = d.tenant_id and t.document_id = d.id) x)::json as transporte,
    (select json_agg(x) from (select
            p.indicador_pagamento, p.forma_pagamento, p.descricao, p.valor::text as valor, p.tipo_integracao, p.cnpj_credenciadora, p.bandeira,
            p.numero_autorizacao
        from tenant.nfe_payments p where p.tenant_id = d.tenant_id and p.document_id = d.id order by p.sequence) x)::json as pagamentos,
    (select json_agg(x) from (select
            r.tipo, r.chave_acesso, r.uf, r.mes_ano, r.cnpj, r.modelo, r.serie, r.numero
        from tenant.nfe_references r where r.tenant_id = d.tenant_id and r.document_id = d.id order by r.sequence) x)::json as referencias,
    (select json_agg(x) from (select
            f.campo, f.texto
        from tenant.nfe_fiscal_info f where f.tenant_id = d.tenant_id and f.document_id = d.id order by f.sequence) x)::json as informacoes_fiscais
from tenant.nfe_documents d where d.tenant_id = @tenant_id and d.id = @id;

-- name: LockNfe :one
select d.version, app.nfe_head(d)::json as head
from tenant.nfe_documents d where d.tenant_id = @tenant_id and d.id = @id for update;

-- name: GetNfeSignature :one
select coalesce(assinatura, '')::text from tenant.nfe_documents where tenant_id = @tenant_id and id = @id;

-- name: FindNfeByKey :one
select id from tenant.nfe_documents where tenant_id = @tenant_id and nfe_id = @nfe_id;

-- name: PutNfeImported :exec
-- PutNfeImported writes what a document that came with its key has besides its content.
update tenant.nfe_documents d
set status = r.status, nfe_id = r.nfe_id, numero = r.numero, codigo_numerico = r.codigo_numerico, issued_at = r.issued_at,
    data_autorizacao = r.data_autorizacao, protocolo_autorizacao = r.protocolo_autorizacao, codigo_denegacao = r.codigo_denegacao,
    assinatura = sqlc.narg('assinatura')
from json_to_record(@head::json) as r (
    status text, nfe_id text, numero integer, codigo_numerico text, issued_at timestamptz, data_autorizacao timestamptz, protocolo_autorizacao text,
    codigo_denegacao text)
where d.tenant_id = @tenant_id and d.id = @id;

-- name: FindNfeEmitter :one
-- FindNfeEmitter returns the issuer with a CNPJ or CPF, who must not go until the
-- transaction ends.
select id from tenant.nfe_emitters
where tenant_id = @tenant_id
  and (cnpj = @cnpj::text and cnpj <> '' or cpf = @cpf::text and cpf <> '')
for key share;

-- name: FindNfeRecipient :one
select id from tenant.nfe_recipients
where tenant_id = @tenant_id
  and (cnpj = @cnpj::text and cnpj <> '' or cpf = @cpf::text and cpf <> '' or id_estrangeiro = @id_estrangeiro::text and id_estrangeiro <> '')
for key share;

-- name: HoldNfeEmitter :one
-- HoldNfeEmitter returns an emitter as it stands in a document, which must not go
-- until the transaction ends.
select (select row_to_json(x) from (select
        e.cnpj, e.cpf, e.razao_social, e.nome_fantasia, e.inscricao_estadual, e.inscricao_estadual_subst_tributario, e.inscricao_municipal, e.cnae,
        e.regime_tributario, e.logradouro, e.numero, e.complemento, e.bairro, e.codigo_municipio, e.municipio, e.uf, e.cep, e.codigo_pais, e.pais,
        e.telefone) x)::json as party
from tenant.nfe_emitters e where e.tenant_id = @tenant_id and e.id = @id for key share;

-- name: HoldNfeRecipient :one
select (select row_to_json(x) from (select
        r.tipo_pessoa, r.cnpj, r.cpf, r.id_estrangeiro, r.razao_social, r.nome_fantasia, r.inscricao_estadual, r.inscricao_municipal,
        r.inscricao_suframa, r.indicador_ie, r.email, r.logradouro, r.numero, r.complemento, r.bairro, r.codigo_municipio, r.municipio, r.uf, r.cep,
        r.codigo_pais, r.pais, r.telefone) x)::json as party
from tenant.nfe_recipients r where r.tenant_id = @tenant_id and r.id = @id for key share;

-- name: HoldNfeProducts :many
-- HoldNfeProducts looks each product up by itself: a plan for any list would rather
-- go through all that a tenant has.
select p.id from unnest(@ids::uuid[]) wanted, lateral (
    select p.id from tenant.nfe_products p where p.tenant_id = @tenant_id and p.id = wanted for key share) p;

-- name: DeleteNfe :exec
delete from tenant.nfe_documents where tenant_id = @tenant_id and id = @id;

-- name: ListNfeByCreated :many
-- There is one list query for each sort order and direction, so that each is an
-- index range that starts at the cursor. A filter that is null does not filter.
select d.id, d.created_at, d.issued_at, d.total_cents, app.nfe_head(d)::json as head
from tenant.nfe_documents d
where d.tenant_id = @tenant_id
  and (d.created_at, d.id) > (@after_created_at::timestamptz, @after_id::uuid)
  and (sqlc.narg('status')::text is null or d.status = sqlc.narg('status')::text)
  and (sqlc.narg('serie')::text is null or d.serie = sqlc.narg('serie')::text)
  and (sqlc.narg('emitter_id')::uuid is null or d.emitter_id = sqlc.narg('emitter_id')::uuid)
  and (sqlc.narg('issued_gte')::timestamptz is null or d.issued_at >= sqlc.narg('issued_gte')::timestamptz)
  and (sqlc.narg('issued_lt')::timestamptz is null or d.issued_at < sqlc.narg('issued_lt')::timestamptz)
  and (sqlc.narg('min_cents')::bigint is null or d.total_cents >= sqlc.narg('min_cents')::bigint)
  and (sqlc.narg('max_cents')::bigint is null or d.total_cents <= sqlc.narg('max_cents')::bigint)
order by d.created_at, d.id
limit @row_limit;

-- name: ListNfeByCreatedDesc :many
select d.id, d.created_at, d.issued_at, d.total_cents, app.nfe_head(d)::json as head
from tenant.nfe_documents d
where d.tenant_id = @tenant_id
  and (d.created_at, d.id) < (@after_created_at::timestamptz, @after_id::uuid)
  and (sqlc.narg('status')::text is null or d.status = sqlc.narg('status')::text)
  and (sqlc.narg('serie')::text is null or d.serie = sqlc.narg('serie')::text)
  and (sqlc.narg('emitter_id')::uuid is null or d.emitter_id = sqlc.narg('emitter_id')::uuid)
  and (sqlc.narg('issued_gte')::timestamptz is null or d.issued_at >= sqlc.narg('issued_gte')::timestamptz)
  and (sqlc.narg('issued_lt')::timestamptz is null or d.issued_at < sqlc.narg('issued_lt')::timestamptz)
  and (sqlc.narg('min_cents')::bigint is null or d.total_cents >= sqlc.narg('min_cents')::bigint)
  and (sqlc.narg('max_cents')::bigint is null or d.total_cents <= sqlc.narg('max_cents')::bigint)
order by d.created_at desc, d.id desc
limit @row_limit;

-- name: ListNfeByIssued :many
select d.id, d.created_at, d.issued_at, d.total_cents, app.nfe_head(d)::json as head
from tenant.nfe_documents d
where d.tenant_id = @tenant_id
  and (d.issued_at, d.id) > (@after_issued_at::timestamptz, @after_id::uuid)
  and d.issued_at is not null
  and (sqlc.narg('status')::text is null or d.status = sqlc.narg('status')::text)
  and (sqlc.narg('serie')::text is null or d.serie = sqlc.narg('serie')::text)
  and (sqlc.narg('emitter_id')::uuid is null or d.emitter_id = sqlc.narg('emitter_id')::uuid)
  and (sqlc.narg('issued_gte')::timestamptz is null or d.issued_at >= sqlc.narg('issued_gte')::timestamptz)
  and (sqlc.narg('issued_lt')::timestamptz is null or d.issued_at < sqlc.narg('issued_lt')::timestamptz)
  and (sqlc.narg('min_cents')::bigint is null or d.total_cents >= sqlc.narg('min_cents')::bigint)
  and (sqlc.narg('max_cents')::bigint is null or d.total_cents <= sqlc.narg('max_cents')::bigint)
order by d.issued_at, d.id
limit @row_limit;

-- name: ListNfeByIssuedDesc :many
select d.id, d.created_at, d.issued_at, d.total_cents, app.nfe_head(d)::json as head
from tenant.nfe_documents d
where d.tenant_id = @tenant_id
  and (d.issued_at, d.id) < (@after_issued_at::timestamptz, @after_id::uuid)
  and d.issued_at is not null
  and (sqlc.narg('status')::text is null or d.status = sqlc.narg('status')::text)
  and (sqlc.narg('serie')::text is null or d.serie = sqlc.narg('serie')::text)
  and (sqlc.narg('emitter_id')::uuid is null or d.emitter_id = sqlc.narg('emitter_id')::uuid)
  and (sqlc.narg('issued_gte')::timestamptz is null or d.issued_at >= sqlc.narg('issued_gte')::timestamptz)
  and (sqlc.narg('issued_lt')::timestamptz is null or d.issued_at < sqlc.narg('issued_lt')::timestamptz)
  and (sqlc.narg('min_cents')::bigint is null or d.total_cents >= sqlc.narg('min_cents')::bigint)
  and (sqlc.narg('max_cents')::bigint is null or d.total_cents <= sqlc.narg('max_cents')::bigint)
order by d.issued_at desc, d.id desc
limit @row_limit;

-- name: ListNfeByTotal :many
select d.id, d.created_at, d.issued_at, d.total_cents, app.nfe_head(d)::json as head
from tenant.nfe_documents d
where d.tenant_id = @tenant_id
  and (d.total_cents, d.id) > (@after_total_cents::bigint, @after_id::uuid)
  and (sqlc.narg('status')::text is null or d.status = sqlc.narg('status')::text)
  and (sqlc.narg('serie')::text is null or d.serie = sqlc.narg('serie')::text)
  and (sqlc.narg('emitter_id')::uuid is null or d.emitter_id = sqlc.narg('emitter_id')::uuid)
  and (sqlc.narg('issued_gte')::timestamptz is null or d.issued_at >= sqlc.narg('issued_gte')::timestamptz)
  and (sqlc.narg('issued_lt')::timestamptz is null or d.issued_at < sqlc.narg('issued_lt')::timestamptz)
  and (sqlc.narg('min_cents')::bigint is null or d.total_cents >= sqlc.narg('min_cents')::bigint)
  and (sqlc.narg('max_cents')::bigint is null or d.total_cents <= sqlc.narg('max_cents')::bigint)
order by d.total_cents, d.id
limit @row_limit;

-- name: ListNfeByTotalDesc :many
select d.id, d.created_at, d.issued_at, d.total_cents, app.nfe_head(d)::json as head
from tenant.nfe_documents d
where d.tenant_id = @tenant_id
  and (d.total_cents, d.id) < (@after_total_cents::bigint, @after_id::uuid)
  and (sqlc.narg('status')::text is null or d.status = sqlc.narg('status')::text)
  and (sqlc.narg('serie')::text is null or d.serie = sqlc.narg('serie')::text)
  and (sqlc.narg('emitter_id')::uuid is null or d.emitter_id = sqlc.narg('emitter_id')::uuid)
  and (sqlc.narg('issued_gte')::timestamptz is null or d.issued_at >= sqlc.narg('issued_gte')::timestamptz)
  and (sqlc.narg('issued_lt')::timestamptz is null or d.issued_at < sqlc.narg('issued_lt')::timestamptz)
  and (sqlc.narg('min_cents')::bigint is null or d.total_cents >= sqlc.narg('min_cents')::bigint)
  and (sqlc.narg('max_cents')::bigint is null or d.total_cents <= sqlc.narg('max_cents')::bigint)
order by d.total_cents desc, d.id desc
limit @row_limit;

-- name: CountNfe :one
select count(*)
from tenant.nfe_documents d
where d.tenant_id = @tenant_id
  and (sqlc.narg('status')::text is null or d.status = sqlc.narg('status')::text)
  and (sqlc.narg('serie')::text is null or d.serie = sqlc.narg('serie')::text)
  and (sqlc.narg('emitter_id')::uuid is null or d.emitter_id = sqlc.narg('emitter_id')::uuid)
  and (sqlc.narg('issued_gte')::timestamptz is null or d.issued_at >= sqlc.narg('issued_gte')::timestamptz)
  and (sqlc.narg('issued_lt')::timestamptz is null or d.issued_at < sqlc.narg('issued_lt')::timestamptz)
  and (sqlc.narg('min_cents')::bigint is null or d.total_cents >= sqlc.narg('min_cents')::bigint)
  and (sqlc.narg('max_cents')::bigint is null or d.total_cents <= sqlc.narg('max_cents')::bigint);

-- name: PutNfeState :exec
-- PutNfeState writes what a step in the life of a document changes.
update tenant.nfe_documents d
set version = d.version + 1, updated_at = now(), status = r.status, nfe_id = r.nfe_id, numero = r.numero, codigo_numerico = r.codigo_numerico,
    issued_at = r.issued_at, data_autorizacao = r.data_autorizacao, protocolo_autorizacao = r.protocolo_autorizacao,
    codigo_denegacao = r.codigo_denegacao, data_cancelamento = r.data_cancelamento, protocolo_cancelamento = r.protocolo_cancelamento,
    motivo_cancelamento = r.motivo_cancelamento, emitente = r.emitente, destinatario = r.destinatario, rejeicao = r.rejeicao,
    findings = r.findings, assinatura = case when r.nfe_id is null then null else d.assinatura end
from json_to_record(@head::json) as r (
    status text, nfe_id text, numero integer, codigo_numerico text, issued_at timestamptz, data_autorizacao timestamptz, protocolo_autorizacao text,
    codigo_denegacao text, data_cancelamento timestamptz, protocolo_cancelamento text, motivo_cancelamento text, emitente json,
    destinatario json, rejeicao json, findings json)
where d.tenant_id = @tenant_id and d.id = @id;

-- name: LockNfeNumbers :one
-- LockNfeNumbers returns the last number of a series that was given out, and lets
-- nobody else give one out until the transaction ends.
insert into tenant.nfe_numbers as n (tenant_id, emitter_id, ambiente, modelo, serie, tipo_emissao)
values (@tenant_id, @emitter_id, @ambiente, @modelo, @serie, @tipo_emissao)
on conflict (tenant_id, emitter_id, ambiente, modelo, serie, tipo_emissao) do update set last_number = n.last_number
returning n.emitter_id, n.last_number;

-- name: SetNfeNumbers :exec
update tenant.nfe_numbers set last_number = @last_number
where tenant_id = @tenant_id and emitter_id = @emitter_id and ambiente = @ambiente and modelo = @modelo
  and serie = @serie and tipo_emissao = @tipo_emissao;

-- name: LastNfeNumber :one
-- LastNfeNumber returns the highest number up to one that a document of a series
-- has, 0 when none has.
select coalesce((
    select numero from tenant.nfe_documents
    where tenant_id = @tenant_id and emitter_id = @emitter_id and ambiente = @ambiente and modelo = @modelo
      and serie = @serie and (case modelo when '65' then tipo_emissao else '' end) = @tipo_emissao::text and numero <= @up_to::integer
    order by numero desc limit 1), 0)::integer;

-- name: VoidedNfeNumber :one
-- VoidedNfeNumber returns the last number of the voided range that begins last
-- before or at a number, 0 when there is none.
select coalesce((
    select v.numero_final from tenant.nfe_voided_ranges v
    where v.tenant_id = @tenant_id and v.emitter_id = @emitter_id and v.ambiente = @ambiente and v.modelo = @modelo
      and v.serie = @serie and v.tipo_emissao = @tipo_emissao and v.numero_inicial <= @up_to::integer
    order by v.numero_inicial desc limit 1), 0)::integer;

-- name: VoidNfeRange :exec
insert into tenant.nfe_voided_ranges (tenant_id, emitter_id, ambiente, modelo, serie, tipo_emissao, numero_inicial, numero_final, id,
    justificativa, protocolo)
values (@tenant_id, @emitter_id, @ambiente, @modelo, @serie, @tipo_emissao, @numero_inicial, @numero_final, @id, @justificativa, @protocolo);

-- name: SumNfe :many
-- SumNfe adds up what was dated in some months, in the issuers' offsets. The bounds
-- are a day apart from the months, since no offset is longer.
select left(app.moment(d.data_emissao, d.data_emissao_offset), 7)::text as month,
    d.emitter_id, coalesce(d.ambiente, '')::text as ambiente, coalesce(d.modelo, '')::text as modelo, d.status, count(*) as documents,
    sum(d.total_cents)::text as cents
from tenant.nfe_documents d
where d.tenant_id = @tenant_id
  and d.data_emissao >= cast(@dated_gte as timestamptz) - make_interval(days => 1)
  and d.data_emissao < cast(@dated_lt as timestamptz) + make_interval(days => 1)
  and d.data_emissao + make_interval(mins => d.data_emissao_offset) >= cast(@dated_gte as timestamptz)
  and d.data_emissao + make_interval(mins => d.data_emissao_offset) < cast(@dated_lt as timestamptz)
  and (sqlc.narg('emitter_id')::uuid is null or d.emitter_id = sqlc.narg('emitter_id')::uuid)
group by 1, 2, 3, 4, 5
order by 1, 2 nulls first, 3, 4, 5;
