# SPDX-License-Identifier: BSD-3-Clause
# The parts of xenbed: common, image, guests, machine, session.
