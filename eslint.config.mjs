import { defineConfig, globalIgnores } from 'eslint/config';
import tseslint from 'typescript-eslint';

/** Requires the number of an issue in each comment of this kind: `TODO(#12): …`. */
const todoNeedsAnIssue = {
  create: (context) => ({
    Program() {
      for (const comment of context.sourceCode.getAllComments()) {
        if (/\b(TODO|FIXME|XXX|HACK)\b(?!\(#\d+\))/.test(comment.value)) {
          context.report({ loc: comment.loc, message: 'A TODO needs an issue: TODO(#12).' });
        }
      }
    },
  }),
};

const relativeWithExtension = {
  regex: '^\\.{1,2}/(?!.*\\.(tsx?|mjs|css|json|svg)$)',
  message: 'Relative imports name the source file: ./codec.ts.',
};

const globals = (names) => Object.fromEntries(names.split(' ').map((name) => [name, 'readonly']));

export default defineConfig(
  globalIgnores(['**/dist/', '**/build/', '**/coverage/', '**/test-results/', '.hubline/']),
  {
    plugins: { hubline: { rules: { 'todo-needs-an-issue': todoNeedsAnIssue } } },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      'hubline/todo-needs-an-issue': 'error',
      'max-lines': ['error', { max: 400 }],
      'max-params': ['error', { max: 3 }],
      eqeqeq: ['error', 'always', { null: 'ignore' }],
      'no-var': 'error',
      'prefer-const': 'error',
      'no-empty': ['error', { allowEmptyCatch: false }],
    },
  },
  {
    files: ['{packages,playground,bench,examples}/**/*.{ts,tsx}'],
    extends: [tseslint.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/no-unused-vars': 'off', // the compiler reports them: noUnusedLocals and noUnusedParameters
      'max-params': 'off', // replaced by the next one, which counts in function types and overloads too
      '@typescript-eslint/max-params': ['error', { max: 3 }],
      'no-restricted-imports': ['error', { patterns: [relativeWithExtension] }],
      // Hub methods and receivers return promises by contract, so many are async without awaiting.
      '@typescript-eslint/require-await': 'off',
      // Options are destructured, methods among them; those that need `this` are on classes.
      '@typescript-eslint/unbound-method': 'off',
      // The reason of an AbortSignal is passed on as it is.
      '@typescript-eslint/prefer-promise-reject-errors': ['error', { allowThrowingAny: true, allowThrowingUnknown: true }],
      '@typescript-eslint/only-throw-error': ['error', { allowThrowingAny: true, allowThrowingUnknown: true }],
    },
  },
  { files: ['packages/*/src/**'], rules: { 'no-console': 'error' } },
  {
    files: ['**/test/**/*.{ts,tsx}', 'packages/testing/{src,e2e}/**/*.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [relativeWithExtension],
          paths: ['timers/promises', 'node:timers/promises'].map((name) => ({ name, message: 'Poll for the condition: vi.waitFor.' })),
        },
      ],
      'no-restricted-syntax': [
        'error',
        {
          selector: 'NewExpression[callee.name="Promise"] CallExpression[callee.name="setTimeout"]',
          message: 'A test polls for a condition (vi.waitFor, expect.poll); it does not sleep.',
        },
        {
          selector: 'MemberExpression[object.name=/^(it|test|describe)$/][property.name=/^(only|skip|todo)$/]',
          message: 'Every test runs.',
        },
      ],
    },
  },
  {
    // These files contain contracts that the compiler must refuse.
    files: ['**/*.types.ts'],
    rules: { '@typescript-eslint/no-explicit-any': 'off', '@typescript-eslint/no-misused-new': 'off' },
  },
  {
    files: ['**/*.mjs'],
    languageOptions: { globals: globals('console process performance URL setTimeout clearTimeout') },
    rules: { 'no-undef': 'error', 'no-unused-vars': 'error' },
  },
);
