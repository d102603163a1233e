/*-------------------------------------------------------------------------
 *
 * provider_file.c
 *	  Master keys from a file, or from a directory with one file a key.
 *
 * Only files are read that PostgreSQL would read as a private key: regular,
 * of the server's user or root, closed to everyone else.  They may not be in
 * the data directory, since base backups would then carry the lock together
 * with the key.  What is checked is the opened file, not its name.
 * Touches provider, guc.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "miscadmin.h"
#include "storage/fd.h"

#include "cipher.h"
#include "guc.h"
#include "provider.h"

/* Name of the key on a bare line of a file that is not in a directory. */
#define BARE_NAME "default"

static bool
file_is_set(void)
{
	return cellenc_guc_master_key_file != NULL && cellenc_guc_master_key_file[0] != '\0';
}

/* Reason for a call that failed with errno; what is missing may come. */
static CellencFetch
fail_errno(CellencProviderWork *work, const char *what)
{
	CellencFetch result = errno == ENOENT ? CELLENC_FETCH_MISSING : CELLENC_FETCH_FAILED;

	cellenc_provider_reason(work, "could not %s: %m", what);
	return result;
}

static CellencFetch
fail_reason(CellencProviderWork *work, const char *reason)
{
	cellenc_provider_reason(work, "%s", reason);
	return CELLENC_FETCH_FAILED;
}

/* path has no symbolic link left in it. */
static bool
in_data_directory(const char *path)
{
	char		data_dir[PATH_MAX];
	size_t		len;

	if (realpath(DataDir, data_dir) == NULL)
		return true;			/* better a refusal than a wrong guess */
	len = strlen(data_dir);
	return strncmp(path, data_dir, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

/* The rule of check_ssl_key_file_permissions; NULL or the reason. */
static const char *
check_owner_and_mode(const struct stat *st)
{
	if (!S_ISREG(st->st_mode))
		return "not a regular file";
	if (st->st_uid != geteuid() && st->st_uid != 0)
		return "file must be owned by the database user or root";
	if ((st->st_uid == geteuid() && (st->st_mode & (S_IRWXG | S_IRWXO)) != 0) ||
		(st->st_uid == 0 && (st->st_mode & (S_IWGRP | S_IXGRP | S_IRWXO)) != 0))
		return "file has group or world access; permissions must be 0600 or less, or 0640 or less if owned by root";
	return NULL;
}

/* Read the open file fd into work->text. */
static CellencFetch
read_open_file(int fd, CellencProviderWork *work, size_t *len)
{
	struct stat st;
	const char *reason;

	if (fstat(fd, &st) != 0)
		return fail_errno(work, "examine file");
	reason = check_owner_and_mode(&st);
	if (reason != NULL)
		return fail_reason(work, reason);

	for (*len = 0; *len < sizeof(work->text);)
	{
		ssize_t		n = read(fd, work->text + *len, sizeof(work->text) - *len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail_errno(work, "read file");
		if (n == 0)
			return CELLENC_FETCH_FOUND;
		*len += n;
	}
	cellenc_provider_reason(work, "file is larger than %d bytes", CELLENC_KEYFILE_MAX_SIZE);
	return CELLENC_FETCH_FAILED;
}

/*
 * Read the file that path leads to into work->text.  Opened is the canonical
 * name, so that where it lies and what is read cannot differ by a symbolic
 * link; without blocking, in case it is a FIFO.
 */
static CellencFetch
read_file(const char *path, CellencProviderWork *work, size_t *len)
{
	char		canonical[PATH_MAX];
	CellencFetch result;
	int			fd;

	if (realpath(path, canonical) == NULL)
		return fail_errno(work, "access file");
	if (in_data_directory(canonical))
		return fail_reason(work, "file is in the data directory, so that every base backup would contain it");

	fd = OpenTransientFile(canonical, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return fail_errno(work, "open file");
	result = read_open_file(fd, work, len);
	CloseTransientFile(fd);
	return result;
}

/* Fetch key name from the file of that name in the directory. */
static CellencFetch
fetch_from_directory(const char *directory, const char *name, CellencProviderWork *work)
{
	char		path[MAXPGPATH];
	char		reason[CELLENC_REASON_LEN];
	size_t		len;
	CellencFetch result;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	result = read_file(path, work, &len);
	if (result == CELLENC_FETCH_FOUND)
	{
		result = cellenc_provider_pick(work, len, name, name);
		if (result == CELLENC_FETCH_MISSING)
			result = fail_reason(work, "key in the file has another name than the file");
		else if (result == CELLENC_FETCH_FOUND && work->parser.nkeys > 1)
			result = fail_reason(work, "contains more than one key");
	}
	if (result != CELLENC_FETCH_FOUND)
	{
		strlcpy(reason, work->reason, sizeof(reason));
		cellenc_provider_reason(work, "file \"%s\" in the directory: %s", name, reason);
	}
	return result;
}

static CellencFetch
visit_directory(const char *directory, CellencProviderWork *work,
				CellencProviderVisit visit, void *arg)
{
	DIR		   *dir = AllocateDir(directory);
	struct dirent *de;

	if (dir == NULL)
		return fail_errno(work, "open directory");
	while ((de = ReadDirExtended(dir, directory, LOG)) != NULL)
	{
		char		name[MAXPGPATH];
		CellencFetch result;

		/* Editors and Kubernetes keep their own things under such names. */
		if (de->d_name[0] == '.')
			continue;
		strlcpy(name, de->d_name, sizeof(name));
		if (cellenc_keyfile_valid_name(name))
			result = fetch_from_directory(directory, name, work);
		else
		{
			result = fail_reason(work, "name of a file in the directory is not that of a master key");
			cellenc_provider_clean(name);
		}
		visit(name, result, work, arg);
	}
	FreeDir(dir);
	return CELLENC_FETCH_FOUND;
}

static CellencFetch
file_fetch(const char *name, CellencProviderWork *work)
{
	const char *path = cellenc_guc_master_key_file;
	struct stat st;
	CellencFetch result;
	size_t		len;

	if (stat(path, &st) != 0)
		return fail_errno(work, "access file");
	if (S_ISDIR(st.st_mode))
		return fetch_from_directory(path, name, work);

	result = read_file(path, work, &len);
	if (result == CELLENC_FETCH_FOUND)
		result = cellenc_provider_pick(work, len, BARE_NAME, name);
	return result;
}

static CellencFetch
file_list(CellencProviderWork *work, CellencProviderVisit visit, void *arg)
{
	const char *path = cellenc_guc_master_key_file;
	struct stat st;
	CellencFetch result;
	size_t		len;

	if (stat(path, &st) != 0)
		return fail_errno(work, "access file");
	if (S_ISDIR(st.st_mode))
		return visit_directory(path, work, visit, arg);

	result = read_file(path, work, &len);
	if (result == CELLENC_FETCH_FOUND)
		result = cellenc_provider_visit_all(work, len, BARE_NAME, visit, arg);
	return result;
}

const CellencProvider cellenc_provider_file = {
	.name = "file",
	.setting = "cellenc.master_key_file",
	.backs_off = false,
	.is_set = file_is_set,
	.fetch = file_fetch,
	.list = file_list
};
