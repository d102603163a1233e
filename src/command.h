/*-------------------------------------------------------------------------
 *
 * command.h
 *	  Run a statement that must be a top-level command.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_COMMAND_H
#define CELLENC_COMMAND_H

#include "job.h"

/*
 * Run command, outside of any transaction; each of those that it takes has
 * ended when this returns.  Returns NULL, or the error that it failed with, in
 * command->context.  A request to end the process is thrown on.
 */
extern ErrorData *cellenc_command_run(const CellencCommand *command);

#endif							/* CELLENC_COMMAND_H */
