import { HublineError } from './errors.ts';

/** The part of Standard Schema v1 (standardschema.dev) that Hubline uses. Schemas of zod, valibot and arktype have it. */
export interface StandardSchema<Input = unknown, Output = Input> {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>;
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}

type SchemaResult<Output> = { readonly value: Output; readonly issues?: undefined } | { readonly issues: readonly SchemaIssue[] };

interface SchemaIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** The output of a schema, or every issue with its path. */
export type Checked<Output> = { readonly value: Output } | { readonly issues: readonly string[] };

/** Checks a value. Rejects with any error that the schema throws. */
export async function check<Output>(schema: StandardSchema<unknown, Output>, value: unknown): Promise<Checked<Output>> {
  const result = await schema['~standard'].validate(value);
  return result.issues ? { issues: result.issues.map(describe) } : { value: result.value };
}

/**
 * Returns the schema's output, as a promise if the schema is asynchronous.
 * @throws HublineError with `code`, and every issue with its path
 */
export function validate<Output>(
  schema: StandardSchema<unknown, Output>,
  value: unknown,
  { code, method }: { readonly code: 'invalid_arguments' | 'invalid_result'; readonly method: string },
): Output | Promise<Output> {
  const outputOf = (result: SchemaResult<Output>): Output => {
    if (!result.issues) return result.value;
    const issues = result.issues.map(describe);
    throw new HublineError(code, `${method}: ${issues.join('; ')}`, { method, issues });
  };
  const result = schema['~standard'].validate(value);
  return result instanceof Promise ? result.then(outputOf) : outputOf(result);
}

function describe({ message, path = [] }: SchemaIssue): string {
  const where = path.map((step) => String(typeof step === 'object' ? step.key : step)).join('.');
  return where ? `${where}: ${message}` : message;
}
