/* SPDX-License-Identifier: BSD-3-Clause */
/* Console logs: each VM has a ring in a file, whose header has the position in the guest's own
 * ring, so that a killed daemon neither loses nor repeats a byte. */
#include "split-toolstack/engine/guest/console_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/log.h"
#include "base/uuid.h"
#include "split-toolstack/engine/guest/guest-t.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/vm/parts.h"

#define MAGIC 0x676f6c736f616863ull /* "chaoslog" */

struct header {
	uint64_t magic;
	uint64_t size; /* of the ring behind this header */
	uint64_t end;  /* bytes ever written */
	uint32_t ring_cons;
	uint32_t reserved;
};

static void path_of(const struct vm *vm, char *out, size_t room)
{
	char uuid[37];

	uuid_print(vm_uuid_bytes(vm), uuid);
	(void)snprintf(out, room, "%s/%s.log", engine_settings(vm_engine(vm))->log_dir, uuid);
}

void console_log_go_on(struct vm *vm, const struct vm *old)
{
	struct guest *g = vm_guest(vm);

	g->log.end = vm_guest(old)->log.end;
	g->log.size = vm_guest(old)->log.size;
}

static void close_log(struct console_log *l)
{
	if (l->fd >= 0)
		(void)close(l->fd);
	l->fd = -1;
}

void console_log_close(struct vm *vm)
{
	close_log(&vm_guest(vm)->log);
}

static int open_old(struct vm *vm)
{
	struct guest *g = vm_guest(vm);
	struct header h;
	char path[512];
	int fd;

	path_of(vm, path, sizeof(path));
	fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	if (pread(fd, &h, sizeof(h), 0) != (ssize_t)sizeof(h) || h.magic != MAGIC || h.size == 0) {
		(void)close(fd);
		return -EINVAL;
	}
	g->log.fd = fd;
	g->log.size = h.size;
	g->log.end = h.end;
	g->log.ring_cons = h.ring_cons;
	return 0;
}

int console_log_open_old(struct vm *vm)
{
	return vm_guest(vm)->log.fd >= 0 ? 0 : open_old(vm);
}

void console_log_recall(struct vm *vm)
{
	(void)console_log_open_old(vm);
	console_log_close(vm);
}

void console_log_adopt(struct vm *vm)
{
	struct guest *g = vm_guest(vm);

	if (g->log.fd < 0 || noxs_console_resume(&g->con, g->log.ring_cons))
		return;
	log_line(LOG_WARN,
		 "op=console dom=%u name=%s: output is lost: its log could not be written before",
		 vm_domid(vm), vm_name(vm));
}

static int write_all(int fd, const uint8_t *data, uint64_t len, uint64_t at)
{
	while (len) {
		ssize_t n = pwrite(fd, data, len, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		data += n;
		at += (uint64_t)n;
		len -= (uint64_t)n;
	}
	return 0;
}

static int open_log(struct vm *vm)
{
	struct guest *g = vm_guest(vm);
	char path[512];

	path_of(vm, path, sizeof(path));
	/* A VM may be made with a uuid of the history: its output continues the old log. */
	if (console_log_open_old(vm) == 0)
		return 0;
	g->log.fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	return g->log.fd < 0 ? -errno : 0;
}

/* First the data, then the header: the header only describes data that is there. */
static int append(struct console_log *l, const uint8_t *data, uint32_t len)
{
	struct header h = {
		.magic = MAGIC, .size = l->size, .end = l->end + len, .ring_cons = l->ring_cons};
	uint64_t skip = len > l->size ? len - l->size : 0;
	uint64_t at = (l->end + skip) % l->size;
	uint64_t n = len - skip;
	uint64_t first = n < l->size - at ? n : l->size - at;
	int rc = write_all(l->fd, data + skip, first, sizeof(h) + at);

	if (rc == 0 && n > first)
		rc = write_all(l->fd, data + skip + first, n - first, sizeof(h));
	if (rc == 0)
		rc = write_all(l->fd, (const uint8_t *)&h, sizeof(h), 0);
	if (rc == 0)
		l->end = h.end;
	return rc;
}

void console_log_new_ring(struct vm *vm, uint32_t ring_cons)
{
	struct console_log *l = &vm_guest(vm)->log;
	struct header h = {.magic = MAGIC, .size = l->size, .end = l->end, .ring_cons = ring_cons};

	l->ring_cons = ring_cons;
	if (l->end == 0) /* there is no file yet */
		return;
	if (console_log_open_old(vm) == 0) {
		l->ring_cons = ring_cons;
		(void)write_all(l->fd, (const uint8_t *)&h, sizeof(h), 0);
	}
}

int console_log_write(struct vm *vm, const void *data, uint32_t len, uint32_t ring_cons)
{
	struct console_log *l = &vm_guest(vm)->log;
	int rc = l->fd < 0 ? open_log(vm) : 0;

	l->ring_cons = ring_cons;
	if (rc == 0)
		rc = append(l, data, len);
	if (rc == 0)
		l->failed = false;
	else if (!l->failed) {
		l->failed = true;
		log_line(LOG_WARN, "op=console name=%s: log cannot be written: %s", vm_name(vm),
			 strerror(-rc));
	}
	return rc;
}

void console_log_delete(struct vm *vm)
{
	char path[512];

	console_log_close(vm);
	path_of(vm, path, sizeof(path));
	(void)unlink(path);
}

uint64_t console_log_end(const struct vm *vm)
{
	return vm_guest(vm)->log.end;
}

void vm_console_range(struct vm *vm, struct vm_console_range *out)
{
	struct guest *g = vm_guest(vm);

	out->end = g->log.end;
	out->start = g->log.end > g->log.size ? g->log.end - g->log.size : 0;
}

int vm_console_read(struct vm *vm, uint64_t pos, void *buf, uint32_t len, struct err *e)
{
	struct console_log *l = &vm_guest(vm)->log;
	struct vm_console_range r;
	uint64_t at;
	ssize_t n;

	vm_console_range(vm, &r);
	if (pos < r.start || pos > r.end)
		return err_set(e, ERANGE,
			       "console position %llu: the log does not have it (any more)",
			       (unsigned long long)pos);
	if (pos == r.end)
		return 0;
	if (console_log_open_old(vm) < 0)
		return err_set(e, ENOENT, "the console log of \"%s\" does not exist any more",
			       vm_name(vm));
	at = pos % l->size;
	if (len > r.end - pos)
		len = (uint32_t)(r.end - pos);
	if (len > l->size - at)
		len = (uint32_t)(l->size - at);
	do
		n = pread(l->fd, buf, len, (off_t)(sizeof(struct header) + at));
	while (n < 0 && errno == EINTR);
	if (vm_state(vm) == VM_ENDED || vm_state(vm) == VM_ASLEEP) { /* they hold no files */
		int code = errno;

		close_log(l);
		errno = code;
	}
	if (n < 0)
		return err_sys(e, errno, "console log of \"%s\"", vm_name(vm));
	return (int)n;
}
