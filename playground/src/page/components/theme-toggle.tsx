import { useState, type ReactNode } from 'react';

const THEMES = ['system', 'light', 'dark'] as const;
type Theme = (typeof THEMES)[number];

/** theme.js reads the same key before the first paint. */
const KEY = 'hubline-theme';

const stored = (): Theme => THEMES.find((theme) => theme === localStorage.getItem(KEY)) ?? 'system';

export function ThemeToggle(): ReactNode {
  const [theme, setTheme] = useState(stored);
  const next = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length] ?? 'system';
  const toggle = (): void => {
    localStorage.setItem(KEY, next);
    document.documentElement.dataset['theme'] = next;
    setTheme(next);
  };
  return (
    <button className="theme" type="button" onClick={toggle} aria-label={`Theme: ${theme}. Change to ${next}`} title={`Theme: ${theme}`}>
      <span className="theme-dial" data-theme-name={theme} aria-hidden />
      <span aria-hidden>{theme}</span>
    </button>
  );
}
