/** What the lab's server process tells: to the one that started it over IPC, and to everybody in `server.json`. */
import { z } from 'zod';
import { processIdentitySchema } from './process-identity.ts';

export const serverReportSchema = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('listening'),
    identity: processIdentitySchema,
    /** Where each host really listens: the port of the state file, or another one if that was taken. */
    hosts: z.array(z.object({ name: z.string(), address: z.string(), sshPort: z.number().int() })),
  }),
  z.object({ kind: z.literal('failed'), problem: z.string() }),
]);
export type ServerReport = z.infer<typeof serverReportSchema>;
export type ListeningReport = Extract<ServerReport, { kind: 'listening' }>;
