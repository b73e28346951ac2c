import { useState, type FormEvent, type ReactNode } from 'react';
import type { Session } from '../session.ts';
import type { Poll, PollRow, View } from '../view.ts';
import { Badge } from './badge.tsx';

export interface PollPanelProps {
  readonly view: View;
  readonly session: Session;
}

const LIMITS = [5, 15, 60];

/** Asks every client in the room a question, and shows the outcome of each. */
export function PollPanel({ view: { poll, room, connection }, session }: PollPanelProps): ReactNode {
  const [text, setText] = useState('');
  const [seconds, setSeconds] = useState(15);
  const isOpen = poll?.state === 'open';
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (text.trim()) session.ask(text.trim(), seconds * 1000);
    setText('');
  };
  return (
    <section className="tool ask" aria-labelledby="ask-title">
      <header className="heading">
        <h2 id="ask-title">Ask the room</h2>
        <p className="readout" data-testid="poll-state">
          {poll ? STATES[poll.state](poll.rows.filter((row) => row.outcome !== 'pending').length, poll.rows.length) : 'invokeAll'}
        </p>
      </header>
      <form className="ask-form" onSubmit={submit}>
        <input
          aria-label="Question"
          placeholder={`A yes-or-no question for ${room}`}
          value={text}
          maxLength={500}
          onChange={(event) => setText(event.target.value)}
        />
        <div className="row">
          <div className="segments" role="group" aria-label="Time to answer">
            {LIMITS.map((limit) => (
              <button key={limit} type="button" aria-pressed={limit === seconds} onClick={() => setSeconds(limit)}>
                {limit} s
              </button>
            ))}
          </div>
          {isOpen ?
            <button className="button" type="button" onClick={() => session.withdraw()}>
              Withdraw
            </button>
          : <button className="button primary" type="submit" disabled={connection.name !== 'connected'}>
              Ask
            </button>
          }
        </div>
      </form>
      {poll ?
        <Outcomes poll={poll} />
      : <p className="empty">
          The question goes to every client in the room, on all nodes. Each answer is shown when it arrives. A client that leaves, or does
          not answer in time, has an outcome too.
        </p>
      }
    </section>
  );
}

const STATES: Readonly<Record<Poll['state'], (settled: number, asked: number) => string>> = {
  open: (settled, asked) => `${settled} of ${asked} settled`,
  done: (settled) => `all ${settled} settled`,
  withdrawn: (settled, asked) => `withdrawn at ${settled} of ${asked}`,
  lost: () => 'connection lost',
};

/** A fixed order, so that rows do not move while outcomes arrive. */
const byNode = ({ person: a }: PollRow, { person: b }: PollRow): number => a.nodeId.localeCompare(b.nodeId) || a.name.localeCompare(b.name);

const KINDS = ['yes', 'no', 'failed', 'pending'] as const;

function Outcomes({ poll }: { readonly poll: Poll }): ReactNode {
  const count = (kind: PollRow['outcome']): number => poll.rows.filter((row) => row.outcome === kind).length;
  return (
    <>
      <p className="ask-text">{poll.text}</p>
      <div className="tally" aria-hidden>
        {KINDS.map((kind) => (
          <span key={kind} data-outcome={kind} style={{ flexGrow: count(kind) }} />
        ))}
      </div>
      <ul className="outcomes" aria-label="Outcomes" aria-live="polite">
        {[...poll.rows].sort(byNode).map(({ person, outcome, code }) => (
          <li key={person.connectionId} data-outcome={outcome}>
            <Badge nodeId={person.nodeId} />
            <span className="outcome-name">{person.name}</span>
            <span className="outcome">
              {outcome === 'failed' ?
                code
              : outcome === 'pending' && poll.state !== 'open' ?
                'unknown'
              : outcome}
            </span>
          </li>
        ))}
      </ul>
    </>
  );
}
