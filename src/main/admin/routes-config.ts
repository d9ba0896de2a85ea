/**
 * `/v1/config` and `/v1/reload`: what runs, and putting something else in its place.
 *
 * Path: router.ts -> here -> the reloader.
 * Invariant: tokens never leave. A refused configuration changes nothing, and the answer says why.
 */
import type { ReloadReport } from '../snapshot/index.ts';
import { AdminError, type AdminRequest, type AdminResponse, badRequest } from './http.ts';
import type { AdminParts } from './parts.ts';
import { checkParameters } from './query.ts';
import { redact } from './redact.ts';
import type { Route } from './router.ts';

/** The routes about configuration. */
export function configRoutes(parts: AdminParts): Route[] {
  return [
    {
      method: 'GET',
      pattern: '/v1/config',
      access: 'guarded',
      handle: () => ({
        status: 200,
        json: {
          generation: parts.reloader.generation,
          source: parts.source,
          config: redact(parts.applier.current.config),
        },
        headers: { ETag: etagOf(parts) },
      }),
    },
    {
      method: 'PUT',
      pattern: '/v1/config',
      access: 'guarded',
      handle: (request) => putConfig(parts, request),
    },
    {
      method: 'POST',
      pattern: '/v1/reload',
      access: 'guarded',
      handle: async () => answer(await parts.reload('admin')),
    },
  ];
}

async function putConfig(parts: AdminParts, request: AdminRequest): Promise<AdminResponse> {
  checkParameters(request.query, ['dry_run']);
  const dryRun = request.query.get('dry_run') ?? '0';
  if (!['0', '1', 'true', 'false'].includes(dryRun)) {
    throw badRequest('"dry_run" is 1 or 0');
  }
  const parse = parts.parseConfig;
  if (parse === null) {
    throw new AdminError(409, 'CONFLICT', { message: 'this gateway takes no configuration' });
  }
  const match = request.headers['if-match'];
  if (match !== undefined && match !== '*' && match !== etagOf(parts)) {
    throw new AdminError(412, 'CONFLICT', {
      message: `the running configuration is generation ${parts.reloader.generation}`,
      hint: 'read it again, and send its ETag as If-Match',
    });
  }
  const text = await request.text();
  const load = (): ReturnType<typeof parse> => parse(text);
  const isDryRun = dryRun === '1' || dryRun === 'true';
  return answer(
    isDryRun ? await parts.reloader.dryRun(load) : await parts.reloader.reload('admin', load),
  );
}

function answer(report: ReloadReport): AdminResponse {
  const hint = 'the running configuration stays';
  if (report.result === 'invalid') {
    const message = report.diagnostics[0]?.message ?? 'the configuration is not valid';
    return { status: 422, json: { ...report, error: { code: 'CONFIG_INVALID', message, hint } } };
  }
  if (report.result === 'failed') {
    const message = report.error ?? 'the configuration could not be applied';
    return { status: 409, json: { ...report, error: { code: 'APPLY_FAILED', message, hint } } };
  }
  return { status: 200, json: report };
}

function etagOf(parts: AdminParts): string {
  return `"${parts.reloader.generation}"`;
}
