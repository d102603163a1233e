/*-------------------------------------------------------------------------
 *
 * provider_command.c
 *	  Master keys from an administrator's shell command.
 *
 * The command runs in a process group of its own, so that a hanging one can
 * be killed together with whatever it started.  While it runs, orphans among
 * these become our children and not those of the init process: in containers
 * that is often the postmaster, which takes a child killed by a signal for a
 * crashed server process and restarts the server.  The command's standard error goes to
 * /dev/null: in the server's log it could leave parts of a key.  Neither the
 * command's text nor what it prints ever becomes part of a message.
 *
 * The command of a server process that dies without cleaning up (SIGKILL,
 * immediate shutdown) goes on until it next writes to its closed pipe.
 * Touches provider, guc.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif
#include <sys/wait.h>
#include <unistd.h>

#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/wait_event.h"

#include "compat.h"
#include "guc.h"
#include "provider.h"

/* Nothing tells a server process that its child exited: look, and look again. */
#define MAX_REAP_SLEEP_MS 50

extern char **environ;

typedef struct Command
{
	pid_t		pid;			/* and process group; 0 when reaped */
	int			fd;				/* read end of its output, or -1 */
	instr_time	started;
	size_t		len;			/* bytes of output in work->text */
	bool		done;			/* it ended well */
} Command;

static bool
command_is_set(void)
{
	return cellenc_guc_master_key_command != NULL &&
		cellenc_guc_master_key_command[0] != '\0';
}

/*
 * The setting with "%k" replaced by name and "%%" by "%"; any other "%" is
 * left alone.  The name goes into a shell, so it is checked here, whoever
 * checked it before.
 */
static char *
build_command(const char *name)
{
	StringInfoData command;

	if (!cellenc_keyfile_valid_name(name))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("invalid master key name: \"%s\"", name)));

	initStringInfo(&command);
	for (const char *p = cellenc_guc_master_key_command; *p != '\0'; p++)
	{
		if (p[0] == '%' && p[1] == 'k')
		{
			appendStringInfoString(&command, name);
			p++;
		}
		else if (p[0] == '%' && p[1] == '%')
		{
			appendStringInfoChar(&command, '%');
			p++;
		}
		else
			appendStringInfoChar(&command, *p);
	}
	return command.data;
}

/*
 * Own group, no signal blocked or ignored (server processes ignore SIGPIPE),
 * and of all open files only the three standard ones.
 */
static int
spawn_shell(const char *text, int output, pid_t *pid)
{
	char	   *const argv[] = {"sh", "-c", unconstify(char *, text), NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t	signals;
	int			rc;

	rc = posix_spawn_file_actions_init(&actions);
	if (rc != 0)
		return rc;
	rc = posix_spawnattr_init(&attr);
	if (rc != 0)
	{
		posix_spawn_file_actions_destroy(&actions);
		return rc;
	}

	sigfillset(&signals);
	sigdelset(&signals, SIGKILL);
	sigdelset(&signals, SIGSTOP);
	posix_spawnattr_setsigdefault(&attr, &signals);
	sigemptyset(&signals);
	posix_spawnattr_setsigmask(&attr, &signals);
	posix_spawnattr_setpgroup(&attr, 0);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP |
							 POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);

	rc = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, DEVNULL, O_RDONLY, 0);
	if (rc == 0)
		rc = posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
	if (rc == 0)
		rc = posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, DEVNULL, O_WRONLY, 0);
#ifdef CELLENC_HAVE_SPAWN_CLOSEFROM
	if (rc == 0)
		rc = posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
#endif
	if (rc == 0)
		rc = posix_spawn(pid, "/bin/sh", &actions, &attr, argv, environ);

	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	return rc;
}

static void
adopt_orphans(bool adopt)
{
#ifdef PR_SET_CHILD_SUBREAPER
	(void) prctl(PR_SET_CHILD_SUBREAPER, adopt ? 1 : 0, 0, 0, 0);
#endif
}

/* Start the command for name; false with a reason. */
static bool
start_command(Command *command, const char *name, CellencProviderWork *work)
{
	char	   *text = build_command(name);
	int			fds[2];
	int			rc;

	if (pipe2(fds, O_CLOEXEC) != 0)
	{
		cellenc_provider_reason(work, "could not create pipe: %m");
		pfree(text);
		return false;
	}
	adopt_orphans(true);
	rc = spawn_shell(text, fds[1], &command->pid);
	close(fds[1]);
	pfree(text);
	if (rc != 0)
	{
		adopt_orphans(false);
		close(fds[0]);
		command->pid = 0;
		errno = rc;
		cellenc_provider_reason(work, "could not start shell: %m");
		return false;
	}
	command->fd = fds[0];
	INSTR_TIME_SET_CURRENT(command->started);
	return true;
}

/*
 * Kill what is left of the command's group, and reap it all.  The shell has
 * not been reaped before, so the number is still its own.  Returns its status.
 */
static int
reap_group(Command *command)
{
	int			result = 0;
	int			status;
	pid_t		pid;

	kill(-command->pid, SIGKILL);
	while ((pid = waitpid(-command->pid, &status, 0)) > 0 || errno == EINTR)
	{
		if (pid == command->pid)
			result = status;
	}
	command->pid = 0;
	adopt_orphans(false);
	return result;
}

static void
end_command(int code, Datum arg)
{
	Command    *command = (Command *) DatumGetPointer(arg);

	if (command->fd >= 0)
	{
		close(command->fd);
		command->fd = -1;
		ReleaseExternalFD();
	}
	if (command->pid != 0)
		(void) reap_group(command);
}

/* Milliseconds until the timeout; 0 or less: it has passed. */
static long
time_left(const Command *command)
{
	instr_time	elapsed;

	INSTR_TIME_SET_CURRENT(elapsed);
	INSTR_TIME_SUBTRACT(elapsed, command->started);
	return cellenc_guc_master_key_timeout * 1000L - (long) INSTR_TIME_GET_MILLISEC(elapsed);
}

static bool
fail_timeout(CellencProviderWork *work)
{
	cellenc_provider_reason(work, "command did not finish within %d seconds (cellenc.master_key_timeout)",
							cellenc_guc_master_key_timeout);
	return false;
}

/* Sleep for up to timeout ms, or until there is output if fd is given. */
static void
sleep_for(int fd, long timeout)
{
	static uint32 wait_event = 0;

	int			events = WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH;
	int			rc;

	if (fd >= 0)
		events |= WL_SOCKET_READABLE;
	rc = WaitLatchOrSocket(MyLatch, events, fd >= 0 ? fd : PGINVALID_SOCKET,
						   timeout, cellenc_wait_event(wait_event, "CellencMasterKeyCommand"));
	if (rc & WL_LATCH_SET)
		ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}

/* Read output into work->text until its end; false with a reason. */
static bool
read_output(Command *command, CellencProviderWork *work)
{
	for (;;)
	{
		long		left = time_left(command);
		ssize_t		n;

		if (left <= 0)
			return fail_timeout(work);
		n = read(command->fd, work->text + command->len,
				 sizeof(work->text) - command->len);
		if (n == 0)
			return true;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			sleep_for(command->fd, left);
		else if (n < 0 && errno != EINTR)
		{
			cellenc_provider_reason(work, "could not read the output of the command: %m");
			return false;
		}
		else if (n > 0)
			command->len += n;
		if (command->len >= sizeof(work->text))
		{
			cellenc_provider_reason(work, "command printed more than %d bytes",
									CELLENC_KEYFILE_MAX_SIZE);
			return false;
		}
	}
}

/* Wait for the end of the command after that of its output. */
static bool
await_exit(Command *command, CellencProviderWork *work)
{
	siginfo_t	info;
	long		pause = 1;
	int			status;

	for (;;)
	{
		long		left;

		/* Leave the shell a zombie, so that its group can be killed safely. */
		memset(&info, 0, sizeof(info));
		if (waitid(P_PID, command->pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 &&
			errno != EINTR)
		{
			cellenc_provider_reason(work, "could not wait for the command: %m");
			return false;
		}
		if (info.si_pid == command->pid)
			break;
		left = time_left(command);
		if (left <= 0)
			return fail_timeout(work);
		sleep_for(-1, Min(pause, left));
		pause = Min(pause * 2, MAX_REAP_SLEEP_MS);
	}

	status = reap_group(command);
	if (WIFSIGNALED(status))
		cellenc_provider_reason(work, "command was terminated by signal %d", WTERMSIG(status));
	else if (WEXITSTATUS(status) != 0)
		cellenc_provider_reason(work, "command failed with exit code %d", WEXITSTATUS(status));
	else
		return true;
	return false;
}

static CellencFetch
parse_output(const char *name, CellencProviderWork *work, size_t len)
{
	char		reason[CELLENC_REASON_LEN];
	CellencFetch result;

	if (len == 0)
	{
		cellenc_provider_reason(work, "command printed nothing");
		return CELLENC_FETCH_FAILED;
	}
	result = cellenc_provider_pick(work, len, name, name);
	if (result != CELLENC_FETCH_FOUND)
	{
		strlcpy(reason, work->reason, sizeof(reason));
		cellenc_provider_reason(work, "output of the command: %s", reason);
	}
	return result;
}

static CellencFetch
command_fetch(const char *name, CellencProviderWork *work)
{
	Command		command = {.fd = -1};

	/* From here on end_command has everything to undo. */
	if (!start_command(&command, name, work))
		return CELLENC_FETCH_FAILED;
	ReserveExternalFD();

	PG_ENSURE_ERROR_CLEANUP(end_command, PointerGetDatum(&command));
	{
		if (fcntl(command.fd, F_SETFL, O_NONBLOCK) != 0)
			cellenc_provider_reason(work, "could not set up pipe: %m");
		else
			command.done = read_output(&command, work) && await_exit(&command, work);
	}
	PG_END_ENSURE_ERROR_CLEANUP(end_command, PointerGetDatum(&command));
	end_command(0, PointerGetDatum(&command));

	return command.done ? parse_output(name, work, command.len) : CELLENC_FETCH_FAILED;
}

const CellencProvider cellenc_provider_command = {
	.name = "command",
	.setting = "cellenc.master_key_command",
	.backs_off = true,
	.is_set = command_is_set,
	.fetch = command_fetch,
	.list = NULL
};
