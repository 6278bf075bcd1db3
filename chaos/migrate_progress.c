/* SPDX-License-Identifier: BSD-3-Clause */
/* The progress of a migration: read from chaosd, and shown on a terminal. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "chaos/migrate_source.h"

/* Reads the progress over a separate connection. False: the VM is not being written now. */
static bool request_progress(struct migration *m, uint64_t *bytes, uint64_t *most)
{
	struct wire_in in;
	int rc = m->beside.fd < 0 ? client_open(&m->beside, NULL, NULL) : 0;

	if (rc == 0)
		rc = ask(&m->beside, PROTO_REQ_INFO, m->vm.uuid, 0, NULL);
	if (rc == 0)
		rc = client_finish(&m->beside, &in, NULL, NULL, NULL);
	*bytes = rc == 0 ? wire_get_u64(&in, PROTO_BYTES, 0) : 0;
	*most = rc == 0 ? wire_get_u64(&in, PROTO_PRESENT, 0) * 4096 : 0;
	return *bytes != 0;
}

static void show(struct migration *m, uint64_t bytes, uint64_t most)
{
	double s = (double)(clock_ns() - m->start) / 1e9;
	char size[32], all[32];

	format_kib(bytes / 1024, size, sizeof(size));
	format_kib(most / 1024, all, sizeof(all));
	(void)fprintf(stderr, "\rchaos: moving \"%s\": %s of %s, %.1f MiB/s \033[K", m->vm.name,
		      size, all, (double)bytes / 1048576 / s);
	m->shown = true;
}

/* Called at each interval while the VM is stopped. -ETIMEDOUT: no progress. */
int progress_tick(struct migration *m, bool written, struct err *e)
{
	uint64_t now = clock_ns(), bytes = m->bytes; /* when it is written, all of them */
	uint64_t most = bytes;

	if (!written && request_progress(m, &bytes, &most) && bytes != m->seen) {
		m->seen = bytes;
		m->moved_at = now;
	}
	if (isatty(STDERR_FILENO))
		show(m, bytes, most);
	if (now - m->moved_at < (uint64_t)m->timeout_ms * 1000000)
		return 0;
	return err_set(e, ETIMEDOUT, "the other host %s",
		       written ? "does not answer" : "does not read any more");
}

void progress_round(struct migration *m, uint64_t pages)
{
	double s = (double)(clock_ns() - m->start) / 1e9;

	if (!isatty(STDERR_FILENO))
		return;
	(void)fprintf(stderr, "\rchaos: moving \"%s\": round %u, %llu pages, %.1f MiB/s \033[K",
		      m->vm.name, m->rounds, (unsigned long long)pages,
		      (double)m->bytes / 1048576 / s);
	m->shown = true;
}
