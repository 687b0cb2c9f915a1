-- The catalogue of invoices: who issues them, who gets them, and what is sold. Columns
-- have the names of the layout's fields; what is not given is the empty string.

-- +goose Up
create table tenant.nfe_emitters (
    tenant_id                           text not null check (tenant_id <> ''),
    id                                  uuid not null,
    cnpj                                varchar(14) not null default '',
    cpf                                 varchar(11) not null default '',
    razao_social                        varchar(60) not null default '',
    nome_fantasia                       varchar(60) not null default '',
    inscricao_estadual                  varchar(14) not null default '',
    inscricao_estadual_subst_tributario varchar(14) not null default '',
    inscricao_municipal                 varchar(15) not null default '',
    cnae                                varchar(7) not null default '',
    regime_tributario                   varchar(1) not null default '',
    logradouro                          varchar(60) not null default '',
    numero                              varchar(60) not null default '',
    complemento                         varchar(60) not null default '',
    bairro                              varchar(60) not null default '',
    codigo_municipio                    varchar(7) not null default '',
    municipio                           varchar(60) not null default '',
    uf                                  varchar(2) not null default '',
    cep                                 varchar(8) not null default '',
    codigo_pais                         varchar(4) not null default '',
    pais                                varchar(60) not null default '',
    telefone                            varchar(14) not null default '',
    -- What the list's q is looked for in, folded.
    search_key                          text not null,
    version                             bigint not null default 1,
    created_at                          timestamptz(3) not null default now(),
    updated_at                          timestamptz(3) not null default now(),
    primary key (tenant_id, id),
    check ((cnpj = '') <> (cpf = ''))
);
create unique index nfe_emitters_cnpj_unique on tenant.nfe_emitters (tenant_id, cnpj) where cnpj <> '';
create unique index nfe_emitters_cpf_unique on tenant.nfe_emitters (tenant_id, cpf) where cpf <> '';
create index nfe_emitters_created on tenant.nfe_emitters (tenant_id, created_at, id);
select app.protect('tenant.nfe_emitters');

create table tenant.nfe_recipients (
    tenant_id           text not null check (tenant_id <> ''),
    id                  uuid not null,
    tipo_pessoa         varchar(1) not null default '',
    cnpj                varchar(14) not null default '',
    cpf                 varchar(11) not null default '',
    id_estrangeiro      varchar(20) not null default '',
    razao_social        varchar(60) not null default '',
    nome_fantasia       varchar(60) not null default '',
    inscricao_estadual  varchar(14) not null default '',
    inscricao_municipal varchar(15) not null default '',
    inscricao_suframa   varchar(9) not null default '',
    indicador_ie        varchar(1) not null default '',
    email               varchar(60) not null default '',
    logradouro          varchar(60) not null default '',
    numero              varchar(60) not null default '',
    complemento         varchar(60) not null default '',
    bairro              varchar(60) not null default '',
    codigo_municipio    varchar(7) not null default '',
    municipio           varchar(60) not null default '',
    uf                  varchar(2) not null default '',
    cep                 varchar(8) not null default '',
    codigo_pais         varchar(4) not null default '',
    pais                varchar(60) not null default '',
    telefone            varchar(14) not null default '',
    -- What the list's q is looked for in, folded.
    search_key          text not null,
    version             bigint not null default 1,
    created_at          timestamptz(3) not null default now(),
    updated_at          timestamptz(3) not null default now(),
    primary key (tenant_id, id),
    check ((cnpj <> '')::integer + (cpf <> '')::integer + (id_estrangeiro <> '')::integer = 1)
);
create unique index nfe_recipients_cnpj_unique on tenant.nfe_recipients (tenant_id, cnpj) where cnpj <> '';
create unique index nfe_recipients_cpf_unique on tenant.nfe_recipients (tenant_id, cpf) where cpf <> '';
create unique index nfe_recipients_id_estrangeiro_unique on tenant.nfe_recipients (tenant_id, id_estrangeiro) where id_estrangeiro <> '';
create index nfe_recipients_created on tenant.nfe_recipients (tenant_id, created_at, id);
select app.protect('tenant.nfe_recipients');

create table tenant.nfe_products (
    tenant_id              text not null check (tenant_id <> ''),
    id                     uuid not null,
    codigo                 varchar(60) not null default '',
    ean                    varchar(14) not null default '',
    descricao              varchar(120) not null default '',
    ncm                    varchar(8) not null default '',
    cest                   varchar(7) not null default '',
    cfop                   varchar(4) not null default '',
    unidade                varchar(6) not null default '',
    valor_unitario         numeric(21,10) not null default 0 check (valor_unitario >= 0),
    valor_frete            numeric(15,2) not null default 0 check (valor_frete >= 0),
    valor_seguro           numeric(15,2) not null default 0 check (valor_seguro >= 0),
    valor_desconto         numeric(15,2) not null default 0 check (valor_desconto >= 0),
    valor_outras_despesas  numeric(15,2) not null default 0 check (valor_outras_despesas >= 0),
    icms_cst               varchar(3) not null default '',
    icms_aliquota          numeric(7,4) check (icms_aliquota >= 0),
    ipi_cst                varchar(3) not null default '',
    ipi_aliquota           numeric(7,4) check (ipi_aliquota >= 0),
    pis_cst                varchar(3) not null default '',
    pis_aliquota           numeric(7,4) check (pis_aliquota >= 0),
    cofins_cst             varchar(3) not null default '',
    cofins_aliquota        numeric(7,4) check (cofins_aliquota >= 0),
    informacoes_adicionais varchar(500) not null default '',
    ativo                  boolean not null default true,
    -- What the list's q is looked for in, folded.
    search_key             text not null,
    version                bigint not null default 1,
    created_at             timestamptz(3) not null default now(),
    updated_at             timestamptz(3) not null default now(),
    primary key (tenant_id, id),
    constraint nfe_products_codigo_unique unique (tenant_id, codigo)
);
create index nfe_products_created on tenant.nfe_products (tenant_id, created_at, id);
select app.protect('tenant.nfe_products');

-- +goose Down
drop table tenant.nfe_products, tenant.nfe_recipients, tenant.nfe_emitters;
