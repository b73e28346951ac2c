import { useState, type ReactNode } from 'react';
import type { Session } from '../session.ts';
import { SAMPLES_SHOWN, type Stream, type View } from '../view.ts';

export interface StreamPanelProps {
  readonly view: View;
  readonly session: Session;
}

const PERIODS = [50, 250, 1000];

/** Streams the metrics of this tab's node and shows them. */
export function StreamPanel({ view: { stream, nodeId, connection }, session }: StreamPanelProps): ReactNode {
  const [everyMs, setEveryMs] = useState(250);
  const { running, received, samples, ended } = stream;
  const last = samples.at(-1);
  const change = (ms: number): void => {
    setEveryMs(ms);
    if (running) session.startStream(ms);
  };
  return (
    <section className="tool stream" aria-labelledby="stream-title">
      <header className="heading">
        <h2 id="stream-title">Metrics of {nodeId}</h2>
        <p className="readout" data-testid="stream-state">
          {running ?
            `${received} received`
          : ended ?
            `${ended.cancelled ? 'cancelled' : 'ended'} after ${ended.sent}`
          : 'stream'}
        </p>
      </header>
      <Chart samples={samples} />
      <dl className="figures">
        <Figure name="latency" value={last && `${last.latencyMs} ms`} />
        <Figure name="timer delay" value={last && `${last.lateMs.toFixed(1)} ms`} />
        <Figure name="connections" value={last?.connections} />
        <Figure name="open streams" value={last?.streams} />
      </dl>
      <div className="row">
        <div className="segments" role="group" aria-label="Period">
          {PERIODS.map((ms) => (
            <button key={ms} type="button" aria-pressed={ms === everyMs} onClick={() => change(ms)}>
              {ms} ms
            </button>
          ))}
        </div>
        {running ?
          <button className="button" type="button" onClick={() => session.stopStream()}>
            Stop stream
          </button>
        : <button
            className="button primary"
            type="button"
            disabled={connection.name !== 'connected'}
            onClick={() => session.startStream(everyMs)}
          >
            Start stream
          </button>
        }
      </div>
    </section>
  );
}

function Figure({ name, value = '–' }: { readonly name: string; readonly value?: string | number | undefined }): ReactNode {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

const WIDTH = 300;
const HEIGHT = 56;
/** The smallest maximum of the scale, so that small values look small. */
const MIN_SCALE_MS = 10;

/** Draws the lateness of the node's timer over the last ticks. */
function Chart({ samples }: Pick<Stream, 'samples'>): ReactNode {
  const top = Math.max(MIN_SCALE_MS, ...samples.map(({ lateMs }) => lateMs));
  const step = WIDTH / (SAMPLES_SHOWN - 1);
  const from = WIDTH - (samples.length - 1) * step;
  const points = samples.map(
    ({ lateMs }, i) => `${(from + i * step).toFixed(1)},${(HEIGHT - 2 - (lateMs / top) * (HEIGHT - 6)).toFixed(1)}`,
  );
  return (
    <div className="scope">
      <span className="readout">{Math.ceil(top)} ms</span>
      <svg
        className="trace"
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        preserveAspectRatio="none"
        role="img"
        aria-label="Delay of the node's timer"
      >
        {[0.25, 0.5, 0.75].map((share) => (
          <line key={share} x1="0" x2={WIDTH} y1={HEIGHT * share} y2={HEIGHT * share} />
        ))}
        <polyline points={points.join(' ')} />
      </svg>
    </div>
  );
}
