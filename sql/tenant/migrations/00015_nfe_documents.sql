-- Invoices (NF-e and NFC-e): a head, what belongs to it, and the numbers that are
-- given out. Columns have the names of the layout's fields. A draft may lack
-- anything, so most of them may be null. An amount of the head or of a line that is
-- not given is zero; in a group of a tax it stays null, since the layout leaves such
-- an element out.

-- +goose Up
create table tenant.nfe_documents (
    tenant_id                  text not null check (tenant_id <> ''),
    id                         uuid not null,
    status                     text not null default 'draft' check (status in ('draft', 'authorized', 'cancelled', 'denied')),
    version                    bigint not null default 1,
    emitter_id                 uuid,
    recipient_id               uuid,
    -- The parties as they are to be printed: when the document was issued, or as
    -- the client gave one that has no row of its own.
    emitente                   json,
    destinatario               json,
    nfe_id                     varchar(44),
    modelo                     varchar(2) check (modelo in ('55', '65')),
    versao                     varchar(4),
    ambiente                   varchar(1) check (ambiente in ('1', '2')),
    serie                      varchar(3),
    numero                     integer check (numero between 1 and 999999999),
    codigo_numerico            varchar(8),
    natureza_operacao          varchar(60),
    tipo_operacao              varchar(1),
    tipo_emissao               varchar(1),
    finalidade                 varchar(1),
    id_destino                 varchar(1),
    indicador_final            varchar(1),
    indicador_presencial       varchar(1),
    -- Moments with the issuer's offset, in minutes: the month in the access key is
    -- the month there.
    data_emissao               timestamptz,
    data_emissao_offset        integer check (data_emissao_offset between -900 and 900),
    data_saida_entrada         timestamptz,
    data_saida_entrada_offset  integer check (data_saida_entrada_offset between -900 and 900),
    data_autorizacao           timestamptz,
    data_cancelamento          timestamptz,
    valor_produtos             numeric(15,2) not null default 0 check (valor_produtos >= 0),
    valor_desconto             numeric(15,2) not null default 0 check (valor_desconto >= 0),
    valor_icms_desonerado      numeric(15,2) not null default 0 check (valor_icms_desonerado >= 0),
    valor_st                   numeric(15,2) not null default 0 check (valor_st >= 0),
    valor_fcp_st               numeric(15,2) not null default 0 check (valor_fcp_st >= 0),
    valor_frete                numeric(15,2) not null default 0 check (valor_frete >= 0),
    valor_seguro               numeric(15,2) not null default 0 check (valor_seguro >= 0),
    valor_outras_despesas      numeric(15,2) not null default 0 check (valor_outras_despesas >= 0),
    valor_ii                   numeric(15,2) not null default 0 check (valor_ii >= 0),
    valor_ipi                  numeric(15,2) not null default 0 check (valor_ipi >= 0),
    valor_ipi_devolvido        numeric(15,2) not null default 0 check (valor_ipi_devolvido >= 0),
    valor_servicos             numeric(15,2) not null default 0 check (valor_servicos >= 0),
    valor_impostos             numeric(15,2) not null default 0 check (valor_impostos >= 0),
    valor_total                numeric(15,2) not null default 0 check (valor_total >= 0),
    valor_troco                numeric(15,2) not null default 0 check (valor_troco >= 0),
    -- valor_total for lists: comparisons of numeric cannot be conditions of an
    -- index under row-level security.
    total_cents                bigint not null default 0 check (total_cents = valor_total * 100),
    pedido_compra              varchar(60),
    contrato                   varchar(60),
    informacoes_adicionais     varchar(5000),
    informacoes_fisco          varchar(2000),
    ibs_cbs                    json,
    justificativa_contingencia varchar(255),
    protocolo_autorizacao      varchar(15),
    protocolo_cancelamento     varchar(15),
    motivo_cancelamento        varchar(255),
    codigo_denegacao           varchar(3),
    -- What the SEFAZ said when it last rejected the document, and what the rules
    -- said when it was last written: lists of findings.
    rejeicao                   json,
    findings                   json not null default '[]',
    -- The XML signature of a document that came as a file, as text.
    assinatura                 text,
    issued_at                  timestamptz(3),
    created_at                 timestamptz(3) not null default now(),
    updated_at                 timestamptz(3) not null default now(),
    primary key (tenant_id, id),
    foreign key (tenant_id, emitter_id) references tenant.nfe_emitters,
    foreign key (tenant_id, recipient_id) references tenant.nfe_recipients,
    constraint nfe_documents_key_unique unique (tenant_id, nfe_id),
    check ((data_emissao is null) = (data_emissao_offset is null)),
    check ((data_saida_entrada is null) = (data_saida_entrada_offset is null)),
    -- What has a number has all that the number belongs to, what has a key has been
    -- issued, and nothing but a draft goes without.
    check (numero is null or emitter_id is not null and modelo is not null and serie is not null and ambiente is not null and tipo_emissao is not null),
    check (nfe_id is null or numero is not null and codigo_numerico is not null and data_emissao is not null and issued_at is not null),
    check (status = 'draft' or nfe_id is not null)
);
create unique index nfe_documents_number_unique on tenant.nfe_documents
    (tenant_id, emitter_id, ambiente, modelo, serie, (case modelo when '65' then tipo_emissao else '' end), numero) where numero is not null;
create index nfe_documents_created on tenant.nfe_documents (tenant_id, created_at, id);
create index nfe_documents_issued on tenant.nfe_documents (tenant_id, issued_at, id) where issued_at is not null;
create index nfe_documents_total on tenant.nfe_documents (tenant_id, total_cents, id);
create index nfe_documents_emitter on tenant.nfe_documents (tenant_id, emitter_id, data_emissao);
create index nfe_documents_recipient on tenant.nfe_documents (tenant_id, recipient_id);
create index nfe_documents_emission on tenant.nfe_documents (tenant_id, data_emissao);
select app.protect('tenant.nfe_documents');

create table tenant.nfe_items (
    tenant_id              text not null check (tenant_id <> ''),
    document_id            uuid not null,
    numero_item            integer not null check (numero_item between 1 and 990),
    product_id             uuid,
    codigo                 varchar(60),
    ean                    varchar(14),
    descricao              varchar(120),
    ncm                    varchar(8),
    cest                   varchar(7),
    cfop                   varchar(4),
    unidade                varchar(6),
    quantidade             numeric(15,4) check (quantidade > 0),
    valor_unitario         numeric(21,10) check (valor_unitario >= 0),
    valor_total            numeric(15,2) not null default 0 check (valor_total >= 0),
    valor_desconto         numeric(15,2) not null default 0 check (valor_desconto >= 0),
    valor_frete            numeric(15,2) not null default 0 check (valor_frete >= 0),
    valor_seguro           numeric(15,2) not null default 0 check (valor_seguro >= 0),
    valor_outras_despesas  numeric(15,2) not null default 0 check (valor_outras_despesas >= 0),
    valor_ii               numeric(15,2) not null default 0 check (valor_ii >= 0),
    valor_ipi_devolvido    numeric(15,2) not null default 0 check (valor_ipi_devolvido >= 0),
    indicador_total        varchar(1) check (indicador_total in ('0', '1')),
    informacoes_adicionais varchar(500),
    numero_pedido_compra   varchar(15),
    item_pedido_compra     varchar(6),
    ibs_cbs                json,
    primary key (tenant_id, document_id, numero_item),
    foreign key (tenant_id, document_id) references tenant.nfe_documents on delete cascade,
    foreign key (tenant_id, product_id) references tenant.nfe_products
);
create index nfe_items_product on tenant.nfe_items (tenant_id, product_id) where product_id is not null;
select app.protect('tenant.nfe_items');

create table tenant.nfe_icms (
    tenant_id                    text not null check (tenant_id <> ''),
    document_id                  uuid not null,
    numero_item                  integer not null,
    origem                       varchar(1),
    cst                          varchar(3),
    modalidade_bc                varchar(1),
    valor_bc                     numeric(15,2) check (valor_bc >= 0),
    aliquota                     numeric(7,4) check (aliquota >= 0),
    valor                        numeric(15,2) check (valor >= 0),
    modalidade_bc_st             varchar(1),
    percentual_mva_st            numeric(7,4) check (percentual_mva_st >= 0),
    percentual_reducao_bc_st     numeric(7,4) check (percentual_reducao_bc_st >= 0),
    valor_bc_st                  numeric(15,2) check (valor_bc_st >= 0),
    aliquota_st                  numeric(7,4) check (aliquota_st >= 0),
    valor_st                     numeric(15,2) check (valor_st >= 0),
    valor_fcp_st                 numeric(15,2) check (valor_fcp_st >= 0),
    percentual_reducao_bc        numeric(7,4) check (percentual_reducao_bc >= 0),
    valor_desonerado             numeric(15,2) check (valor_desonerado >= 0),
    motivo_desoneracao           varchar(2),
    percentual_reducao_bc_efetiva numeric(7,4) check (percentual_reducao_bc_efetiva >= 0),
    valor_bc_efetiva             numeric(15,2) check (valor_bc_efetiva >= 0),
    aliquota_efetiva             numeric(7,4) check (aliquota_efetiva >= 0),
    valor_efetivo                numeric(15,2) check (valor_efetivo >= 0),
    codigo_beneficio_fiscal      varchar(10),
    percentual_diferimento       numeric(7,4) check (percentual_diferimento >= 0),
    primary key (tenant_id, document_id, numero_item),
    foreign key (tenant_id, document_id, numero_item) references tenant.nfe_items on delete cascade
);
select app.protect('tenant.nfe_icms');

create table tenant.nfe_ipi (
    tenant_id            text not null check (tenant_id <> ''),
    document_id          uuid not null,
    numero_item          integer not null,
    cst                  varchar(3),
    classe_enquadramento varchar(5),
    codigo_enquadramento varchar(3),
    cnpj_produtor        varchar(14),
    codigo_selo_controle varchar(60),
    quantidade_selo      varchar(12),
    modalidade_bc        varchar(1),
    valor_bc             numeric(15,2) check (valor_bc >= 0),
    aliquota             numeric(7,4) check (aliquota >= 0),
    quantidade_unidade   numeric(16,4) check (quantidade_unidade >= 0),
    valor_unidade        numeric(15,4) check (valor_unidade >= 0),
    valor                numeric(15,2) check (valor >= 0),
    primary key (tenant_id, document_id, numero_item),
    foreign key (tenant_id, document_id, numero_item) references tenant.nfe_items on delete cascade
);
select app.protect('tenant.nfe_ipi');

create table tenant.nfe_pis (
    tenant_id           text not null check (tenant_id <> ''),
    document_id         uuid not null,
    numero_item         integer not null,
    cst                 varchar(3),
    modalidade_bc       varchar(1),
    valor_bc            numeric(15,2) check (valor_bc >= 0),
    aliquota_percentual numeric(7,4) check (aliquota_percentual >= 0),
    aliquota_valor      numeric(15,4) check (aliquota_valor >= 0),
    quantidade_vendida  numeric(16,4) check (quantidade_vendida >= 0),
    valor               numeric(15,2) check (valor >= 0),
    primary key (tenant_id, document_id, numero_item),
    foreign key (tenant_id, document_id, numero_item) references tenant.nfe_items on delete cascade
);
select app.protect('tenant.nfe_pis');

create table tenant.nfe_cofins (
    tenant_id           text not null check (tenant_id <> ''),
    document_id         uuid not null,
    numero_item         integer not null,
    cst                 varchar(3),
    modalidade_bc       varchar(1),
    valor_bc            numeric(15,2) check (valor_bc >= 0),
    aliquota_percentual numeric(7,4) check (aliquota_percentual >= 0),
    aliquota_valor      numeric(15,4) check (aliquota_valor >= 0),
    quantidade_vendida  numeric(16,4) check (quantidade_vendida >= 0),
    valor               numeric(15,2) check (valor >= 0),
    primary key (tenant_id, document_id, numero_item),
    foreign key (tenant_id, document_id, numero_item) references tenant.nfe_items on delete cascade
);
select app.protect('tenant.nfe_cofins');

create table tenant.nfe_transport (
    tenant_id              text not null check (tenant_id <> ''),
    document_id            uuid not null,
    modalidade_frete       varchar(1),
    cnpj                   varchar(14),
    cpf                    varchar(11),
    razao_social           varchar(60),
    inscricao_estadual     varchar(14),
    endereco_completo      varchar(60),
    municipio              varchar(60),
    uf                     varchar(2),
    placa_veiculo          varchar(8),
    uf_veiculo             varchar(2),
    rntc                   varchar(20),
    valor_servico          numeric(15,2) check (valor_servico >= 0),
    valor_bc_retencao_icms numeric(15,2) check (valor_bc_retencao_icms >= 0),
    aliquota_retencao_icms numeric(7,4) check (aliquota_retencao_icms >= 0),
    valor_icms_retido      numeric(15,2) check (valor_icms_retido >= 0),
    cfop                   varchar(4),
    codigo_municipio       varchar(7),
    informacoes_fisco      varchar(2000),
    primary key (tenant_id, document_id),
    foreign key (tenant_id, document_id) references tenant.nfe_documents on delete cascade
);
select app.protect('tenant.nfe_transport');

create table tenant.nfe_transport_volumes (
    tenant_id    text not null check (tenant_id <> ''),
    document_id  uuid not null,
    sequence     integer not null check (sequence >= 1),
    quantidade   varchar(15),
    especie      varchar(60),
    marca        varchar(60),
    numeracao    varchar(60),
    peso_liquido numeric(15,3) check (peso_liquido >= 0),
    peso_bruto   numeric(15,3) check (peso_bruto >= 0),
    primary key (tenant_id, document_id, sequence),
    foreign key (tenant_id, document_id) references tenant.nfe_transport on delete cascade
);
select app.protect('tenant.nfe_transport_volumes');

create table tenant.nfe_payments (
    tenant_id           text not null check (tenant_id <> ''),
    document_id         uuid not null,
    sequence            integer not null check (sequence >= 1),
    indicador_pagamento varchar(1),
    forma_pagamento     varchar(2),
    descricao           varchar(60),
    valor               numeric(15,2) not null default 0 check (valor >= 0),
    tipo_integracao     varchar(1),
    cnpj_credenciadora  varchar(14),
    bandeira            varchar(2),
    numero_autorizacao  varchar(128),
    primary key (tenant_id, document_id, sequence),
    foreign key (tenant_id, document_id) references tenant.nfe_documents on delete cascade
);
select app.protect('tenant.nfe_payments');

create table tenant.nfe_references (
    tenant_id    text not null check (tenant_id <> ''),
    document_id  uuid not null,
    sequence     integer not null check (sequence >= 1),
    tipo         varchar(1),
    chave_acesso varchar(44),
    uf           varchar(2),
    mes_ano      varchar(4),
    cnpj         varchar(14),
    modelo       varchar(2),
    serie        varchar(3),
    numero       varchar(9),
    primary key (tenant_id, document_id, sequence),
    foreign key (tenant_id, document_id) references tenant.nfe_documents on delete cascade
);
select app.protect('tenant.nfe_references');

create table tenant.nfe_fiscal_info (
    tenant_id   text not null check (tenant_id <> ''),
    document_id uuid not null,
    campo       varchar(20),
    sequence    integer not null check (sequence >= 1),
    texto       text,
    primary key (tenant_id, document_id, sequence),
    unique (tenant_id, document_id, campo),
    foreign key (tenant_id, document_id) references tenant.nfe_documents on delete cascade
);
select app.protect('tenant.nfe_fiscal_info');

-- The last number that was given out, for each series of an emitter. Whoever gives
-- one out holds the row until it commits, so none is lost.
create table tenant.nfe_numbers (
    tenant_id    text not null check (tenant_id <> ''),
    emitter_id   uuid not null,
    ambiente     varchar(1) not null check (ambiente in ('1', '2')),
    modelo       varchar(2) not null check (modelo in ('55', '65')),
    serie        varchar(3) not null,
    -- Of modelo 65 only, whose numbers differ by it; else empty.
    tipo_emissao varchar(1) not null,
    last_number  integer not null default 0 check (last_number between 0 and 999999999),
    primary key (tenant_id, emitter_id, ambiente, modelo, serie, tipo_emissao),
    foreign key (tenant_id, emitter_id) references tenant.nfe_emitters
);
select app.protect('tenant.nfe_numbers');

-- Numbers that will never be used (inutilização). Ranges of a series do not
-- overlap: they are made by whoever holds the row of its last number.
create table tenant.nfe_voided_ranges (
    tenant_id      text not null check (tenant_id <> ''),
    emitter_id     uuid not null,
    ambiente       varchar(1) not null,
    modelo         varchar(2) not null,
    serie          varchar(3) not null,
    tipo_emissao   varchar(1) not null,
    numero_inicial integer not null check (numero_inicial >= 1),
    numero_final   integer not null check (numero_final <= 999999999),
    id             uuid not null,
    justificativa  varchar(255) not null,
    protocolo      varchar(15),
    created_at     timestamptz(3) not null default now(),
    primary key (tenant_id, emitter_id, ambiente, modelo, serie, tipo_emissao, numero_inicial),
    foreign key (tenant_id, emitter_id, ambiente, modelo, serie, tipo_emissao) references tenant.nfe_numbers,
    check (numero_inicial <= numero_final)
);
select app.protect('tenant.nfe_voided_ranges');

-- app.moment writes a moment as RFC 3339 has it, in an offset of so many minutes.
create function app.moment(p_at timestamptz, p_offset integer) returns text
    language sql stable
    return to_char((p_at at time zone 'UTC') + make_interval(mins => p_offset), 'YYYY-MM-DD"T"HH24:MI:SS')
        || case when p_offset < 0 then '-' else '+' end
        || to_char(make_interval(mins => abs(p_offset)), 'HH24:MI');

-- app.nfe_head writes a document without its lists as the API shows it: decimals and
-- numbers as text, moments in their offsets.
create function app.nfe_head(d tenant.nfe_documents) returns json
    language sql stable
    return (select row_to_json(h) from (select
        d.tenant_id, d.id, d.status, d.version, d.emitter_id, d.recipient_id, d.emitente, d.destinatario, d.nfe_id, d.modelo, d.versao, d.ambiente,
        d.serie, d.numero::text as numero, d.codigo_numerico, d.natureza_operacao, d.tipo_operacao, d.tipo_emissao, d.finalidade, d.id_destino,
        d.indicador_final, d.indicador_presencial, app.moment(d.data_emissao, d.data_emissao_offset) as data_emissao,
        app.moment(d.data_saida_entrada, d.data_saida_entrada_offset) as data_saida_entrada, app.moment(d.data_autorizacao, 0) as data_autorizacao,
        app.moment(d.data_cancelamento, 0) as data_cancelamento, d.valor_produtos::text as valor_produtos, d.valor_desconto::text as valor_desconto,
        d.valor_icms_desonerado::text as valor_icms_desonerado, d.valor_st::text as valor_st, d.valor_fcp_st::text as valor_fcp_st,
        d.valor_frete::text as valor_frete, d.valor_seguro::text as valor_seguro, d.valor_outras_despesas::text as valor_outras_despesas,
        d.valor_ii::text as valor_ii, d.valor_ipi::text as valor_ipi, d.valor_ipi_devolvido::text as valor_ipi_devolvido,
        d.valor_servicos::text as valor_servicos, d.valor_impostos::text as valor_impostos, d.valor_total::text as valor_total,
        d.valor_troco::text as valor_troco, d.pedido_compra, d.contrato, d.informacoes_adicionais, d.informacoes_fisco, d.ibs_cbs,
        d.justificativa_contingencia, d.protocolo_autorizacao, d.protocolo_cancelamento, d.motivo_cancelamento, d.codigo_denegacao, d.rejeicao,
        d.findings, to_char(d.issued_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as issued_at,
        to_char(d.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as created_at,
        to_char(d.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as updated_at) h);
revoke all on function app.moment(timestamptz, integer), app.nfe_head(tenant.nfe_documents) from public;
grant execute on function app.moment(timestamptz, integer), app.nfe_head(tenant.nfe_documents) to gh_app, gh_maint;

-- +goose Down
drop function app.nfe_head(tenant.nfe_documents), app.moment(timestamptz, integer);
drop table tenant.nfe_voided_ranges, tenant.nfe_numbers, tenant.nfe_fiscal_info, tenant.nfe_references, tenant.nfe_payments,
    tenant.nfe_transport_volumes, tenant.nfe_transport, tenant.nfe_cofins, tenant.nfe_pis, tenant.nfe_ipi, tenant.nfe_icms,
    tenant.nfe_items, tenant.nfe_documents;
