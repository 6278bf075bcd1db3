/* SPDX-License-Identifier: BSD-3-Clause */
/* The VMs that are found asleep at the start: those of files without a record. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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
#include "split-toolstack/engine/life/sleepers.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/vm/adopt_later.h"
#include "split-toolstack/engine/vm/changes.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/record.h"
#include "split-toolstack/engine/vm/state.h"
#include "split-toolstack/engine/vm/vm.h"
#include "split-toolstack/engine/vm/vms.h"

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

static void log_waits(struct vm *vm, const struct err *why)
{
	if (vm_is_left_for(vm, err_msg(why)))
		log_line(LOG_ERROR, "op=adopt name=%s: %s; chaosd tries again", vm_name(vm),
			 err_msg(why));
}

/* Lists a VM without a record: the host was rebooted since it was put to sleep. `vm`: it was listed
 * before its file could be read; NULL: it was not. 1: its devices cannot be reserved now. */
static int list(struct engine *en, struct vm *vm, const struct vm_record *r, struct vm_config *cfg,
		struct err *e)
{
	bool again = vm != NULL;
	bool waits;
	struct err why = {0};

	if (again) {
		vm_unhash(vm);
		vm_unlink(vm);
		vm_read_record(vm, r, cfg);
		vm_life(vm)->unread = false;
	} else {
		vm = vm_of_record(en, r, cfg);
	}
	if (!vm)
		return err_set(e, ENOMEM, "out of memory");
	free_name(vm);
	vm_is_found_asleep(vm);
	vm_life(vm)->has_file = true;
	console_log_recall(vm);
	vm_link_alive(vm);
	waits = reservations_take(vm, &why) < 0;
	if (waits) { /* no memory: others must not get its devices meanwhile */
		vm_is_left_as(vm, VM_ASLEEP, 0);
		life_go(vm, NOW_UNKNOWN);
		log_waits(vm, &why);
	}
	if (vm_record(vm, &why) < 0)
		log_line(LOG_ERROR, "op=adopt name=%s: %s", vm_name(vm), err_msg(&why));
	if (!waits)
		log_line(LOG_INFO, "op=adopt name=%s: is asleep", vm_name(vm));
	if (again) {
		vm_announce(vm, VM_EV_RENAMED);
		vm_announce(vm, VM_EV_ASLEEP);
	}
	return waits;
}

/* Reads the description of the VM in the file. */
static int read_owner(const struct save_stream *s, const uint8_t uuid[16], struct vm_record *r,
		      struct vm_config *cfg, struct err *e)
{
	const struct save_info *i = save_info(s);
	int rc = vm_undescribe_all(i->owner, i->owner_bytes, r, cfg, e);

	if (rc == 0 && memcmp(r->uuid, uuid, sizeof(r->uuid)) != 0)
		rc = err_set(e, EPROTO, "the uuid in the file is not that of its name");
	return rc;
}

/* What is done with a file whose description was read. */
typedef int read_fn(struct engine *en, struct vm *vm, const struct vm_record *r,
		    struct vm_config *cfg, struct err *e);

static int read_file(struct engine *en, const uint8_t uuid[16], read_fn *fn, struct vm *vm,
		     struct err *e)
{
	struct save_stream *s = NULL;
	struct transfer file;
	struct vm_config cfg;
	struct vm_record r;
	char name[SLEEPER_NAME];
	int rc;

	sleeper_name(uuid, 0, "save", name);
	rc = sleeper_open_file(en, name, e);
	if (rc >= 0)
		rc = transfer_open(&file, rc, false, e);
	if (rc < 0)
		return rc;
	vm_config_init(&cfg);
	rc = save_open(NULL, &file, &s, e);
	if (rc == 0)
		rc = read_owner(s, uuid, &r, &cfg, e);
	if (rc == 0)
		rc = fn(en, vm, &r, &cfg, e);
	vm_config_clear(&cfg);
	save_close(s);
	transfer_close(&file);
	return rc;
}

/* The file is no VM that sleeps. Other errors do not show that: it may be read later. */
static bool is_wrong(int rc)
{
	return rc == -EPROTO || rc == -EPERM || rc == -ELOOP || rc == -ENOENT || rc == -EOPNOTSUPP;
}

static void ignore(struct engine *en, const uint8_t uuid[16], const struct err *why)
{
	char name[SLEEPER_NAME];

	sleeper_name(uuid, 0, "save", name);
	log_line(LOG_ERROR, "%s/%s: %s; the file is ignored", engine_settings(en)->sleep_dir, name,
		 err_msg(why));
}

/* Lists a VM of which only the uuid is known, so that no other gets it. 1, or -ENOMEM. */
static int list_unread(struct engine *en, const uint8_t uuid[16], const struct err *why,
		       struct err *e)
{
	struct vm_record r = {.name = "unread", .state = VM_ASLEEP, .want = WANT_RUN};
	struct vm_config cfg;
	struct vm *vm;
	char name[VM_NAME_MAX + 1];

	vm_config_init(&cfg);
	memcpy(r.uuid, uuid, sizeof(r.uuid));
	vm = vm_of_record(en, &r, &cfg);
	vm_config_clear(&cfg);
	if (!vm)
		return err_set(e, ENOMEM, "out of memory");
	(void)snprintf(name, sizeof(name), "asleep-%02x%02x%02x%02x", uuid[0], uuid[1], uuid[2],
		       uuid[3]);
	vm_set_first_name(vm, name);
	free_name(vm);
	vm_life(vm)->unread = true;
	vm_link_alive(vm);
	log_waits(vm, why);
	return 1;
}

/* The record of the VM says that it runs or has ended: the file is left over, if it is this VM's.
 */
static int forget(struct engine *en, struct vm *vm, const struct vm_record *r,
		  struct vm_config *cfg, struct err *e)
{
	(void)vm;
	(void)cfg;
	(void)e;
	sleepers_forget_uuid(en, r->uuid);
	return 0;
}

/* 1: the file of the VM cannot be read now, or its devices cannot be reserved. */
static int examine_vm(struct engine *en, const uint8_t uuid[16], struct err *e)
{
	const struct vm *vm = engine_find_uuid(en, uuid);
	struct err why = {0};
	int rc;

	if (vm && vm_known_life(vm)->has_file)
		return 0;
	rc = read_file(en, uuid, vm ? forget : list, NULL, &why);
	if (rc >= 0 || rc == -ENOENT)
		return rc > 0;
	if (!vm && !is_wrong(rc))
		return list_unread(en, uuid, &why, e);
	if (adopt_later(rc)) /* whether the file is left over is not known */
		return err_set(e, -rc, "%s: %s", engine_settings(en)->sleep_dir, err_msg(&why));
	ignore(en, uuid, &why);
	return 0;
}

static int examine_file(struct engine *en, const char *name, struct err *e)
{
	uint8_t uuid[16];
	const char *end = is_ours(name, uuid);

	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return 0;
	if (end && strcmp(end, "save") == 0)
		return examine_vm(en, uuid, e);
	if (end && (ends_with(end, ".part") || ends_with(end, ".gone")))
		(void)unlinkat(engine_sleepers(en)->dir, name, 0);
	else
		log_line(LOG_WARN, "%s/%s: not a file of a VM that is asleep: it is ignored",
			 engine_settings(en)->sleep_dir, name);
	return 0;
}

void sleeper_read_again(struct vm *vm)
{
	struct engine *en = vm_engine(vm);
	struct err why = {0};
	uint8_t uuid[16];
	int rc;

	vm_uuid(vm, uuid);
	rc = read_file(en, uuid, list, vm, &why);
	if (rc >= 0)
		return;
	if (!is_wrong(rc)) {
		log_waits(vm, &why);
		return;
	}
	ignore(en, uuid, &why);
	vm_announce(vm, VM_EV_REMOVED);
	vm_unhash(vm);
	vm_unlink(vm);
	vm_free(vm);
}

int sleepers_adopt(struct engine *en, struct err *e)
{
	const struct dirent *d = NULL;
	bool unread = false;
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
	while (rc >= 0 && (d = dir_next(dir, &rc)) != NULL) {
		rc = examine_file(en, d->d_name, e);
		unread = unread || rc > 0;
	}
	(void)closedir(dir);
	if (rc < 0 && !d)
		(void)err_sys(e, -rc, "read the folder %s", engine_settings(en)->sleep_dir);
	return rc < 0 ? rc : unread;
}
