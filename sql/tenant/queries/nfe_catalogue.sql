-- name: CreateNfeEmitter :one
insert into tenant.nfe_emitters (tenant_id, id,
    cnpj, cpf, razao_social, nome_fantasia, inscricao_estadual, inscricao_estadual_subst_tributario,
    inscricao_municipal, cnae, regime_tributario, logradouro, numero, complemento, bairro, codigo_municipio,
    municipio, uf, cep, codigo_pais, pais, telefone, search_key)
values (@tenant_id, @id,
    @cnpj, @cpf, @razao_social, @nome_fantasia, @inscricao_estadual, @inscricao_estadual_subst_tributario,
    @inscricao_municipal, @cnae, @regime_tributario, @logradouro, @numero, @complemento, @bairro,
    @codigo_municipio, @municipio, @uf, @cep, @codigo_pais, @pais, @telefone, @search_key)
returning tenant_id, id, cnpj, cpf, razao_social, nome_fantasia, inscricao_estadual,
       inscricao_estadual_subst_tributario, inscricao_municipal, cnae, regime_tributario, logradouro, numero,
       complemento, bairro, codigo_municipio, municipio, uf, cep, codigo_pais, pais, telefone, search_key,
       version, created_at, updated_at;

-- name: GetNfeEmitter :one
select tenant_id, id, cnpj, cpf, razao_social, nome_fantasia, inscricao_estadual,
       inscricao_estadual_subst_tributario, inscricao_municipal, cnae, regime_tributario, logradouro, numero,
       complemento, bairro, codigo_municipio, municipio, uf, cep, codigo_pais, pais, telefone, search_key,
       version, created_at, updated_at
from tenant.nfe_emitters where tenant_id = @tenant_id and id = @id;

-- name: UpdateNfeEmitter :one
-- Versions are those that may be changed, any when null.
update tenant.nfe_emitters
set cnpj = @cnpj, cpf = @cpf, razao_social = @razao_social, nome_fantasia = @nome_fantasia, inscricao_estadual
    = @inscricao_estadual, inscricao_estadual_subst_tributario = @inscricao_estadual_subst_tributario,
    inscricao_municipal = @inscricao_municipal, cnae = @cnae, regime_tributario = @regime_tributario,
    logradouro = @logradouro, numero = @numero, complemento = @complemento, bairro = @bairro, codigo_municipio
    = @codigo_municipio, municipio = @municipio, uf = @uf, cep = @cep, codigo_pais = @codigo_pais, pais =
    @pais, telefone = @telefone, search_key = @search_key, version = version + 1, updated_at = now()
where tenant_id = @tenant_id and id = @id
  and (sqlc.narg('versions')::bigint[] is null or version = any(sqlc.narg('versions')::bigint[]))
returning tenant_id, id, cnpj, cpf, razao_social, nome_fantasia, inscricao_estadual,
       inscricao_estadual_subst_tributario, inscricao_municipal, cnae, regime_tributario, logradouro, numero,
       complemento, bairro, codigo_municipio, municipio, uf, cep, codigo_pais, pais, telefone, search_key,
       version, created_at, updated_at;

-- name: DeleteNfeEmitter :execrows
-- Versions are those that may be deleted, any when null.
delete from tenant.nfe_emitters
where tenant_id = @tenant_id and id = @id
  and (sqlc.narg('versions')::bigint[] is null or version = any(sqlc.narg('versions')::bigint[]));

-- name: ListNfeEmitters :many
select tenant_id, id, cnpj, cpf, razao_social, nome_fantasia, inscricao_estadual,
       inscricao_estadual_subst_tributario, inscricao_municipal, cnae, regime_tributario, logradouro, numero,
       complemento, bairro, codigo_municipio, municipio, uf, cep, codigo_pais, pais, telefone, search_key,
       version, created_at, updated_at
from tenant.nfe_emitters
where tenant_id = @tenant_id
  and (created_at, id) > (@after_created_at::timestamptz, @after_id::uuid)
  and (sqlc.narg('cnpj')::text is null or cnpj = sqlc.narg('cnpj')::text)
  and (sqlc.narg('cpf')::text is null or cpf = sqlc.narg('cpf')::text)
  and (sqlc.narg('q')::text is null or search_key like sqlc.narg('q')::text)
order by created_at, id
limit @row_limit;

-- name: ListNfeEmittersDesc :many
select tenant_id, id, cnpj, cpf, razao_social, nome_fantasia, inscricao_estadual,
       inscricao_estadual_subst_tributario, inscricao_municipal, cnae, regime_tributario, logradouro, numero,
       complemento, bairro, codigo_municipio, municipio, uf, cep, codigo_pais, pais, telefone, search_key,
       version, created_at, updated_at
from tenant.nfe_emitters
where tenant_id = @tenant_id
  and (created_at, id) < (@after_created_at::timestamptz, @after_id::uuid)
  and (sqlc.narg('cnpj')::text is null or cnpj = sqlc.narg('cnpj')::text)
  and (sqlc.narg('cpf')::text is null or cpf = sqlc.narg('cpf')::text)
  and (sqlc.narg('q')::text is null or search_key like sqlc.narg('q')::text)
order by created_at desc, id desc
limit @row_limit;

-- name: CountNfeEmitters :one
select count(*)
from tenant.nfe_emitters
where tenant_id = @tenant_id
  and (sqlc.narg('cnpj')::text is null or cnpj = sqlc.narg('cnpj')::text)
  and (sqlc.narg('cpf')::text is null or cpf = sqlc.narg('cpf')::text)
  and (sqlc.narg('q')::text is null or search_key like sqlc.narg('q')::text);

-- name: CreateNfeRecipient :one
insert into tenant.nfe_recipients (tenant_id, id,
    tipo_pessoa, cnpj, cpf, id_estrangeiro, razao_social, nome_fantasia, inscricao_estadual,
    inscricao_municipal, inscricao_suframa, indicador_ie, email, logradouro, numero, complemento, bairro,
    codigo_municipio, municipio, uf, cep, codigo_pais, pais, telefone, search_key)
values (@tenant_id, @id,
    @tipo_pessoa, @cnpj, @cpf, @id_estrangeiro, @razao_social, @nome_fantasia, @inscricao_estadual,
    @inscricao_municipal, @inscricao_suframa, @indicador_ie, @email, @logradouro, @numero, @complemento,
    @bairro, @codigo_municipio, @municipio, @uf, @cep, @codigo_pais, @pais, @telefone, @search_key)
returning tenant_id, id, tipo_pessoa, cnpj, cpf, id_estrangeiro, razao_social, nome_fantasia, inscricao_estadual,
       inscricao_municipal, inscricao_suframa, indicador_ie, email, logradouro, numero, complemento, bairro,
       codigo_municipio, municipio, uf, cep, codigo_pais, pais, telefone, search_key, version, created_at,
       updated_at;

-- name: GetNfeRecipient :one
select tenant_id, id, tipo_pessoa, cnpj, cpf, id_estrangeiro, razao_social, nome_fantasia, inscricao_estadual,
       inscricao_municipal, inscricao_suframa, indicador_ie, email, logradouro, numero, complemento, bairro,
       codigo_municipio, municipio, uf, cep, codigo_pais, pais, telefone, search_key, version, created_at,
       updated_at
from tenant.nfe_recipients where tenant_id = @tenant_id and id = @id;

-- name: UpdateNfeRecipient :one
-- Versions are those that may be changed, any when null.
update tenant.nfe_recipients
set tipo_pessoa = @tipo_pessoa, cnpj = @cnpj, cpf = @cpf, id_estrangeiro = @id_estrangeiro, razao_social =
    @razao_social, nome_fantasia = @nome_fantasia, inscricao_estadual = @inscricao_estadual,
    inscricao_municipal = @inscricao_municipal, inscricao_suframa = @inscricao_suframa, indicador_ie =
    @indicador_ie, email = @email, logradouro = @logradouro, numero = @numero, complemento = @complemento,
    bairro = @bairro, codigo_municipio = @codigo_municipio, municipio = @municipio, uf = @uf, cep = @cep,
    codigo_pais = @codigo_pais, pais = @pais, telefone = @telefone, search_key = @search_key, version =
    version + 1, updated_at = now()
where tenant_id = @tenant_id and id = @id
  and (sqlc.narg('versions')::bigint[] is null or version = any(sqlc.narg('versions')::bigint[]))
returning tenant_id, id, tipo_pessoa, cnpj, cpf, id_estrangeiro, razao_social, nome_fantasia, inscricao_estadual,
       inscricao_municipal, inscricao_suframa, indicador_ie, email, logradouro, numero, complemento, bairro,
       codigo_municipio, municipio, uf, cep, codigo_pais, pais, telefone, search_key, version, created_at,
       updated_at;

-- name: DeleteNfeRecipient :execrows
-- Versions are those that may be deleted, any when null.
delete from tenant.nfe_recipients
where tenant_id = @tenant_id and id = @id
  and (sqlc.narg('versions')::bigint[] is null or version = any(sqlc.narg('versions')::bigint[]));

-- name: ListNfeRecipients :many
select tenant_id, id, tipo_pessoa, cnpj, cpf, id_estrangeiro, razao_social, nome_fantasia, inscricao_estadual,
       inscricao_municipal, inscricao_suframa, indicador_ie, email, logradouro, numero, complemento, bairro,
       codigo_municipio, municipio, uf, cep, codigo_pais, pais, telefone, search_key, version, created_at,
       updated_at
from tenant.nfe_recipients
where tenant_id = @tenant_id
  and (created_at, id) > (@after_created_at::timestamptz, @after_id::uuid)
  and (sqlc.narg('cnpj')::text is null or cnpj = sqlc.narg('cnpj')::text)
  and (sqlc.narg('cpf')::text is null or cpf = sqlc.narg('cpf')::text)
  and (sqlc.narg('id_estrangeiro')::text is null or id_estrangeiro = sqlc.narg('id_estrangeiro')::text)
  and (sqlc.narg('q')::text is null or search_key like sqlc.narg('q')::text)
order by created_at, id
limit @row_limit;

-- name: ListNfeRecipientsDesc :many
select tenant_id, id, tipo_pessoa, cnpj, cpf, id_estrangeiro, razao_social, nome_fantasia, inscricao_estadual,
       inscricao_municipal, inscricao_suframa, indicador_ie, email, logradouro, numero, complemento, bairro,
       codigo_municipio, municipio, uf, cep, codigo_pais, pais, telefone, search_key, version, created_at,
       updated_at
from tenant.nfe_recipients
where tenant_id = @tenant_id
  and (created_at, id) < (@after_created_at::timestamptz, @after_id::uuid)
  and (sqlc.narg('cnpj')::text is null or cnpj = sqlc.narg('cnpj')::text)
  and (sqlc.narg('cpf')::text is null or cpf = sqlc.narg('cpf')::text)
  and (sqlc.narg('id_estrangeiro')::text is null or id_estrangeiro = sqlc.narg('id_estrangeiro')::text)
  and (sqlc.narg('q')::text is null or search_key like sqlc.narg('q')::text)
order by created_at desc, id desc
limit @row_limit;

-- name: CountNfeRecipients :one
select count(*)
from tenant.nfe_recipients
where tenant_id = @tenant_id
  and (sqlc.narg('cnpj')::text is null or cnpj = sqlc.narg('cnpj')::text)
  and (sqlc.narg('cpf')::text is null or cpf = sqlc.narg('cpf')::text)
  and (sqlc.narg('id_estrangeiro')::text is null or id_estrangeiro = sqlc.narg('id_estrangeiro')::text)
  and (sqlc.narg('q')::text is null or search_key like sqlc.narg('q')::text);

-- name: CreateNfeProduct :one
insert into tenant.nfe_products (tenant_id, id,
    codigo, ean, descricao, ncm, cest, cfop, unidade, valor_unitario, valor_frete, valor_seguro,
    valor_desconto, valor_outras_despesas, icms_cst, icms_aliquota, ipi_cst, ipi_aliquota, pis_cst,
    pis_aliquota, cofins_cst, cofins_aliquota, informacoes_adicionais, ativo, search_key)
values (@tenant_id, @id,
    @codigo, @ean, @descricao, @ncm, @cest, @cfop, @unidade, @valor_unitario, @valor_frete, @valor_seguro,
    @valor_desconto, @valor_outras_despesas, @icms_cst, sqlc.narg('icms_aliquota'), @ipi_cst,
    sqlc.narg('ipi_aliquota'), @pis_cst, sqlc.narg('pis_aliquota'), @cofins_cst, sqlc.narg('cofins_aliquota'),
    @informacoes_adicionais, @ativo, @search_key)
returning tenant_id, id, codigo, ean, descricao, ncm, cest, cfop, unidade, valor_unitario, valor_frete,
       valor_seguro, valor_desconto, valor_outras_despesas, icms_cst, icms_aliquota, ipi_cst, ipi_aliquota,
       pis_cst, pis_aliquota, cofins_cst, cofins_aliquota, informacoes_adicionais, ativo, search_key, version,
       created_at, updated_at;

-- name: GetNfeProduct :one
select tenant_id, id, codigo, ean, descricao, ncm, cest, cfop, unidade, valor_unitario, valor_frete,
       valor_seguro, valor_desconto, valor_outras_despesas, icms_cst, icms_aliquota, ipi_cst, ipi_aliquota,
       pis_cst, pis_aliquota, cofins_cst, cofins_aliquota, informacoes_adicionais, ativo, search_key, version,
       created_at, updated_at
from tenant.nfe_products where tenant_id = @tenant_id and id = @id;

-- name: UpdateNfeProduct :one
-- Versions are those that may be changed, any when null.
update tenant.nfe_products
set codigo = @codigo, ean = @ean, descricao = @descricao, ncm = @ncm, cest = @cest, cfop = @cfop, unidade =
    @unidade, valor_unitario = @valor_unitario, valor_frete = @valor_frete, valor_seguro = @valor_seguro,
    valor_desconto = @valor_desconto, valor_outras_despesas = @valor_outras_despesas, icms_cst = @icms_cst,
    icms_aliquota = sqlc.narg('icms_aliquota'), ipi_cst = @ipi_cst, ipi_aliquota = sqlc.narg('ipi_aliquota'),
    pis_cst = @pis_cst, pis_aliquota = sqlc.narg('pis_aliquota'), cofins_cst = @cofins_cst, cofins_aliquota =
    sqlc.narg('cofins_aliquota'), informacoes_adicionais = @informacoes_adicionais, ativo = @ativo, search_key
    = @search_key, version = version + 1, updated_at = now()
where tenant_id = @tenant_id and id = @id
  and (sqlc.narg('versions')::bigint[] is null or version = any(sqlc.narg('versions')::bigint[]))
returning tenant_id, id, codigo, ean, descricao, ncm, cest, cfop, unidade, valor_unitario, valor_frete,
       valor_seguro, valor_desconto, valor_outras_despesas, icms_cst, icms_aliquota, ipi_cst, ipi_aliquota,
       pis_cst, pis_aliquota, cofins_cst, cofins_aliquota, informacoes_adicionais, ativo, search_key, version,
       created_at, updated_at;

-- name: DeleteNfeProduct :execrows
-- Versions are those that may be deleted, any when null.
delete from tenant.nfe_products
where tenant_id = @tenant_id and id = @id
  and (sqlc.narg('versions')::bigint[] is null or version = any(sqlc.narg('versions')::bigint[]));

-- name: ListNfeProducts :many
select tenant_id, id, codigo, ean, descricao, ncm, cest, cfop, unidade, valor_unitario, valor_frete,
       valor_seguro, valor_desconto, valor_outras_despesas, icms_cst, icms_aliquota, ipi_cst, ipi_aliquota,
       pis_cst, pis_aliquota, cofins_cst, cofins_aliquota, informacoes_adicionais, ativo, search_key, version,
       created_at, updated_at
from tenant.nfe_products
where tenant_id = @tenant_id
  and (created_at, id) > (@after_created_at::timestamptz, @after_id::uuid)
  and (sqlc.narg('codigo')::text is null or codigo = sqlc.narg('codigo')::text)
  and (sqlc.narg('ativo')::boolean is null or ativo = sqlc.narg('ativo')::boolean)
  and (sqlc.narg('q')::text is null or search_key like sqlc.narg('q')::text)
order by created_at, id
limit @row_limit;

-- name: ListNfeProductsDesc :many
select tenant_id, id, codigo, ean, descricao, ncm, cest, cfop, unidade, valor_unitario, valor_frete,
       valor_seguro, valor_desconto, valor_outras_despesas, icms_cst, icms_aliquota, ipi_cst, ipi_aliquota,
       pis_cst, pis_aliquota, cofins_cst, cofins_aliquota, informacoes_adicionais, ativo, search_key, version,
       created_at, updated_at
from tenant.nfe_products
where tenant_id = @tenant_id
  and (created_at, id) < (@after_created_at::timestamptz, @after_id::uuid)
  and (sqlc.narg('codigo')::text is null or codigo = sqlc.narg('codigo')::text)
  and (sqlc.narg('ativo')::boolean is null or ativo = sqlc.narg('ativo')::boolean)
  and (sqlc.narg('q')::text is null or search_key like sqlc.narg('q')::text)
order by created_at desc, id desc
limit @row_limit;

-- name: CountNfeProducts :one
select count(*)
from tenant.nfe_products
where tenant_id = @tenant_id
  and (sqlc.narg('codigo')::text is null or codigo = sqlc.narg('codigo')::text)
  and (sqlc.narg('ativo')::boolean is null or ativo = sqlc.narg('ativo')::boolean)
  and (sqlc.narg('q')::text is null or search_key like sqlc.narg('q')::text);
