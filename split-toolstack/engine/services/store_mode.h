/* SPDX-License-Identifier: BSD-3-Clause */
/* Which program is the host's store. */
#ifndef CHAOS_ENGINE_SERVICES_STORE_MODE_H
#define CHAOS_ENGINE_SERVICES_STORE_MODE_H

/* Decided at the start; chaosd; a xenstored that runs; none. */
enum store_mode { STORE_AUTO, STORE_OWN, STORE_BESIDE, STORE_NOBODY };

#endif
