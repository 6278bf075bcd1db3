/* SPDX-License-Identifier: BSD-3-Clause */
/* The folder of VMs that are asleep, and their files. */
#include "split-toolstack/engine/life/sleepers.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utlist.h>

#include "base/uuid.h"
#include "split-toolstack/engine/life/life-t.h"
#include "split-toolstack/engine/life/sleepers-t.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/vm.h"

void sleeper_name(const uint8_t uuid[16], uint64_t n, const char *end, char out[SLEEPER_NAME])
{
	char text[UUID_TEXT];

	uuid_print(uuid, text);
	if (n)
		(void)snprintf(out, SLEEPER_NAME, "%s.%llu.%s", text, (unsigned long long)n, end);
	else
		(void)snprintf(out, SLEEPER_NAME, "%s.%s", text, end);
}

/* --- files of VMs --- */

/* A number, so that two files of one VM have different names, and the end of the first does not
 * remove the second. */
static bool is_written(const struct sleepers *s, const uint8_t uuid[16])
{
	const struct sleeper_file *f = s->files;

	while (f && memcmp(f->uuid, uuid, sizeof(f->uuid)) != 0)
		f = f->next;
	return f != NULL;
}

int sleeper_begin(const struct vm *vm, struct sleeper_file *f, struct err *e)
{
	struct engine *en = vm_engine(vm);
	struct sleepers *s = engine_sleepers(en);

	*f = (struct sleeper_file){.dir = -1, .fd = -1};
	if (!s)
		return err_set(e, EOPNOTSUPP,
			       "chaosd has no folder for VMs that are asleep: set sleep_dir");
	if (is_written(s, vm_uuid_bytes(vm)))
		return err_set(e, EBUSY,
			       "\"%s\" is being put to sleep: try again when that has ended",
			       vm_name(vm));
	sleeper_name(vm_uuid_bytes(vm), 0, "save", f->name);
	sleeper_name(vm_uuid_bytes(vm), ++s->last, "part", f->part);
	f->dir = fcntl(s->dir, F_DUPFD_CLOEXEC, 0);
	if (f->dir >= 0)
		f->fd = openat(f->dir, f->part, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
			       0600);
	if (f->fd < 0) {
		int rc = err_sys(e, errno, "%s/%s", engine_settings(en)->sleep_dir, f->part);

		sleeper_end(f, true);
		return rc;
	}
	if (!vm_known_life(vm)->has_file)
		(void)unlinkat(f->dir, f->name, 0);
	f->en = en;
	memcpy(f->uuid, vm_uuid_bytes(vm), sizeof(f->uuid));
	DL_APPEND(s->files, f);
	return 0;
}

int sleeper_keep(const struct sleeper_file *f, struct err *e)
{
	int rc = fsync(f->fd);

	/* A late rename must not replace the file of another sleep. */
	if (rc == 0)
		rc = renameat2(f->dir, f->part, f->dir, f->name, RENAME_NOREPLACE);
	/* the file system does not support this flag */
	if (rc < 0 && (errno == EINVAL || errno == ENOSYS))
		rc = renameat(f->dir, f->part, f->dir, f->name);
	if (rc == 0)
		rc = fsync(f->dir);
	return rc < 0 ? err_sys(e, errno, "write %s", f->name) : 0;
}

int sleeper_open_file(const struct engine *en, const char *name, struct err *e)
{
	struct stat st = {0};
	int fd = openat(engine_sleepers(en)->dir, name,
			O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	int rc = 0;

	if (fd < 0 && errno == ENOENT)
		return err_set(e, ENOENT, "%s/%s is missing", engine_settings(en)->sleep_dir, name);
	if (fd < 0)
		rc = -errno;
	if (rc == 0 && fstat(fd, &st) < 0)
		rc = -errno;
	if (rc < 0)
		(void)err_sys(e, -rc, "%s/%s", engine_settings(en)->sleep_dir, name);
	else if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || st.st_mode & 022)
		rc = err_set(e, EPERM,
			     "%s/%s: must be a regular file that belongs to chaosd's user and that "
			     "no other user can write",
			     engine_settings(en)->sleep_dir, name);
	if (rc < 0 && fd >= 0)
		(void)close(fd);
	return rc < 0 ? rc : fd;
}

int sleeper_open(const struct vm *vm, struct err *e)
{
	struct engine *en = vm_engine(vm);
	char name[SLEEPER_NAME];

	if (!engine_sleepers(en))
		return err_set(e, EOPNOTSUPP,
			       "chaosd has no folder for VMs that are asleep: set sleep_dir");
	sleeper_name(vm_uuid_bytes(vm), 0, "save", name);
	return sleeper_open_file(en, name, e);
}

/* --- at the start --- */

int sleepers_open(struct engine *en, struct err *e)
{
	struct sleepers *s;

	if (!engine_settings(en)->sleep_dir)
		return 0;
	s = calloc(1, sizeof(*s));
	if (!s)
		return err_set(e, ENOMEM, "out of memory");
	s->dir = open(engine_settings(en)->sleep_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->dir < 0) {
		int rc = err_sys(e, errno, "%s", engine_settings(en)->sleep_dir);

		free(s);
		return rc;
	}
	engine_set_sleepers(en, s);
	return 0;
}

void sleepers_stop(struct engine *en)
{
	if (engine_sleepers(en))
		engine_sleepers(en)->stopped = true;
}

void sleepers_close(struct engine *en)
{
	if (!engine_sleepers(en))
		return;
	(void)close(engine_sleepers(en)->dir);
	free(engine_sleepers(en));
	engine_set_sleepers(en, NULL);
}
