/* SPDX-License-Identifier: BSD-3-Clause */
/* What a saved VM is called by: its content, in 272 bytes. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "libdom/image.h"
#include "libdom/save_stream.h"

static int read_at(int fd, void *to, size_t bytes, off_t at, struct err *e)
{
	ssize_t n;

	do
		n = pread(fd, to, bytes, at);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_sys(e, errno, "read the saved VM");
	if ((size_t)n < bytes)
		return err_set(e, EPROTO, "the file is cut: it ends too soon");
	return 0;
}

int save_digest(int fd, uint64_t *bytes, char hex[65], struct err *e)
{
	struct {
		struct save_header h;
		struct save_end end;
	} of;
	int rc = read_at(fd, &of.h, sizeof(of.h), 0, e);

	if (rc == 0)
		rc = save_check_header(&of.h, e);
	if (rc < 0)
		return rc;
	*bytes = sizeof(of) + save_sections(&of.h) + of.h.present * PAGE_BYTES;
	rc = read_at(fd, &of.end, sizeof(of.end), (off_t)(*bytes - sizeof(of.end)), e);
	if (rc < 0)
		return rc;
	image_digest_of(&of, sizeof(of), hex);
	return 0;
}
