import type { CSSProperties, ReactNode } from 'react';
import type { Question } from '../../contract.ts';
import type { Answer } from '../session.ts';

export interface QuestionCardProps {
  readonly question: Question;
  readonly onAnswer: (answer: Answer) => void;
}

/** Shows a question of the server, which waits for the user's answer. */
export function QuestionCard({ question: { from, text, timeoutMs }, onAnswer }: QuestionCardProps): ReactNode {
  const time = { '--time': `${timeoutMs}ms` } as CSSProperties;
  return (
    <section className="note question" aria-label={`Question from ${from}`} style={time}>
      <p className="label">{from} asks the room</p>
      <p className="note-text">{text}</p>
      <div className="row">
        <button className="button primary" type="button" onClick={() => onAnswer('yes')}>
          Yes
        </button>
        <button className="button" type="button" onClick={() => onAnswer('no')}>
          No
        </button>
        <button className="button quiet" type="button" onClick={() => onAnswer('silence')}>
          Rather not say
        </button>
      </div>
      <span className="note-time" aria-hidden />
    </section>
  );
}
