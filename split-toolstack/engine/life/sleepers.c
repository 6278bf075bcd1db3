/* SPDX-License-Identifier: BSD-3-Clause */
/* The folder of VMs that are asleep, and the VMs found there at the start. */
#include "split-toolstack/engine/life/sleepers.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utlist.h>

#include "base/dirs.h"
#include "base/log.h"
#include "base/transfer.h"
#include "base/uuid.h"
#include "libdom/save.h"
#include "split-toolstack/engine/devices/reservations.h"
#include "split-toolstack/engine/guest/console_log.h"
#include "split-toolstack/engine/life/life-t.h"
#include "split-toolstack/engine/life/life.h"
#include "split-toolstack/engine/life/sleepers-t.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/vm/changes.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/record.h"
#include "split-toolstack/engine/vm/vm.h"
#include "split-toolstack/engine/vm/vms.h"

void sleeper_name(const uint8_t uuid[16], uint64_t n, const char *end, char out[SLEEPER_NAME])
{
	char text[UUID_TEXT];

	uuid_print(uuid, text);
	if (n)
		(void)snprintf(out, SLEEPER_NAME, "%s.%llu.%s", text, (unsigned long long)n, end);
	else
		(void)snprintf(out, SLEEPER_NAME, "%s.%s", text, end);
}

/* Parses the name of a file: the uuid, and the text after it ("save", "7.part"); NULL: it is no
 * such name. */
static const char *is_ours(const char *name, uint8_t uuid[16])
{
	char text[UUID_TEXT];
	const char *end;

	if (strlen(name) < UUID_TEXT || name[UUID_TEXT - 1] != '.')
		return NULL;
	memcpy(text, name, UUID_TEXT - 1);
	text[UUID_TEXT - 1] = '\0';
	end = name + UUID_TEXT;
	return uuid_read(text, uuid) == 0 ? end : NULL;
}

static bool ends_with(const char *text, const char *end)
{
	size_t n = strlen(text);
	size_t m = strlen(end);

	return n >= m && strcmp(text + n - m, end) == 0;
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

static int open_file(const struct engine *en, const char *name, struct err *e)
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
	return open_file(en, name, e);
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

/* If another VM has the name meanwhile, the name gets a part of the uuid. */
static void free_name(struct vm *vm)
{
	const uint8_t *id = vm_uuid_bytes(vm);
	char name[VM_NAME_MAX + 1];

	if (!vm_by_name(vm_engine(vm), vm_name(vm)))
		return;
	(void)snprintf(name, sizeof(name), "%.*s-%02x%02x%02x%02x", VM_NAME_MAX - 9, vm_name(vm),
		       id[0], id[1], id[2], id[3]);
	log_line(LOG_WARN, "op=adopt name=%s: another VM has this name: its new name is %s",
		 vm_name(vm), name);
	vm_set_first_name(vm, name);
}

/* Lists a VM without a record: the host was rebooted since it was put to sleep. */
static int list(struct engine *en, const struct vm_record *r, struct vm_config *cfg, struct err *e)
{
	struct vm *vm = vm_of_record(en, r, cfg);
	struct err why = {0};

	if (!vm)
		return err_set(e, ENOMEM, "out of memory");
	free_name(vm);
	vm_is_found_asleep(vm);
	vm_life(vm)->has_file = true;
	console_log_recall(vm);
	vm_link_alive(vm);
	if (reservations_take(vm, &why) < 0)
		log_line(LOG_ERROR, "op=adopt name=%s: %s", vm_name(vm), err_msg(&why));
	if (vm_record(vm, &why) < 0)
		log_line(LOG_ERROR, "op=adopt name=%s: %s", vm_name(vm), err_msg(&why));
	log_line(LOG_INFO, "op=adopt name=%s: is asleep", vm_name(vm));
	return 0;
}

/* Reads the description of the VM in the file. */
static int read_owner(struct engine *en, struct save_stream *s, const uint8_t uuid[16],
		      struct err *e)
{
	const struct save_info *i = save_info(s);
	struct vm_config cfg;
	struct vm_record r;
	int rc;

	vm_config_init(&cfg);
	rc = vm_undescribe_all(i->owner, i->owner_bytes, &r, &cfg, e);
	if (rc == 0 && memcmp(r.uuid, uuid, sizeof(r.uuid)) != 0)
		rc = err_set(e, EPROTO, "the uuid in the file is not that of its name");
	if (rc == 0)
		rc = list(en, &r, &cfg, e);
	vm_config_clear(&cfg);
	return rc;
}

static int read_file(struct engine *en, const char *name, const uint8_t uuid[16], struct err *e)
{
	struct save_stream *s = NULL;
	struct transfer file;
	int rc = open_file(en, name, e);

	if (rc >= 0)
		rc = transfer_open(&file, rc, false, e);
	if (rc < 0)
		return rc;
	rc = save_open(NULL, &file, &s, e);
	if (rc == 0)
		rc = read_owner(en, s, uuid, e);
	save_close(s);
	transfer_close(&file);
	return rc;
}

static void examine_file(struct engine *en, const char *name)
{
	const struct vm *vm;
	uint8_t uuid[16];
	struct err e = {0};
	const char *end = is_ours(name, uuid);

	if (end && (ends_with(end, ".part") || ends_with(end, ".gone"))) {
		(void)unlinkat(engine_sleepers(en)->dir, name, 0);
		return;
	}
	if (!end || strcmp(end, "save") != 0) {
		log_line(LOG_WARN, "%s/%s: not a file of a VM that is asleep: it is ignored",
			 engine_settings(en)->sleep_dir, name);
		return;
	}
	vm = engine_find_uuid(en, uuid);
	if (vm && !vm_known_life(vm)->has_file)
		sleepers_forget_uuid(en, uuid); /* the VM runs or has ended */
	else if (!vm && read_file(en, name, uuid, &e) < 0)
		log_line(LOG_ERROR, "%s/%s: %s; the file is ignored",
			 engine_settings(en)->sleep_dir, name, err_msg(&e));
}

int sleepers_adopt(struct engine *en, struct err *e)
{
	const struct dirent *d;
	int fd;
	DIR *dir;
	int rc = 0;

	if (!engine_sleepers(en))
		return 0;
	fd = openat(engine_sleepers(en)->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		rc = err_sys(e, errno, "read the folder %s", engine_settings(en)->sleep_dir);
		if (fd >= 0)
			(void)close(fd);
		return rc;
	}
	while ((d = dir_next(dir, &rc)) != NULL)
		if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
			examine_file(en, d->d_name);
	(void)closedir(dir);
	return rc < 0 ? err_sys(e, -rc, "read the folder %s", engine_settings(en)->sleep_dir) : 0;
}
